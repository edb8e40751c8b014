-- How was the origin running at the moment of a prediction? One row a flight.
-- A flight is overdue from its scheduled departure until it leaves, and at most for six hours. The data do not say
-- when a flight was cancelled, so a cancelled one is overdue as long as any other that has not left.
with flights as (
    select
        *,
        least(departed_at, scheduled_departure_at + interval '6 hours') as settled_at
    from {{ ref('late_arrival_flights') }}
),

stream as (
    select
        flight_id,
        predicted_at as moment,
        origin,
        carrier,
        0 as departures,
        0 as delay,
        0 as overdue
    from flights
    union all
    select
        null as flight_id,
        departed_at as moment,
        origin,
        carrier,
        1 as departures,
        departure_delay as delay,
        0 as overdue
    from flights
    where departed_at is not null
    union all
    select
        null as flight_id,
        scheduled_departure_at as moment,
        origin,
        carrier,
        0 as departures,
        0 as delay,
        1 as overdue
    from flights
    where settled_at > scheduled_departure_at
    union all
    select
        null as flight_id,
        settled_at as moment,
        origin,
        carrier,
        0 as departures,
        0 as delay,
        -1 as overdue
    from flights
    where settled_at > scheduled_departure_at
),

seen as (
    select
        flight_id,
        {{ share_before('delay', 'departures', 'origin', '3 hours') }} as origin_departure_delay_3h,
        {{ sum_before('departures', 'origin', '3 hours') }} as origin_departures_3h,
        {{ share_before('delay', 'departures', 'origin, carrier', '3 hours') }} as carrier_departure_delay_3h,
        -- a flight comes with +1 and goes with -1, so the sum over all the past is what is overdue now
        {{ sum_before('overdue', 'origin') }} as origin_overdue,
        {{ sum_before('overdue', 'origin, carrier') }} as carrier_overdue
    from stream
),

final as (
    select * from seen
    where flight_id is not null
)

select * from final
