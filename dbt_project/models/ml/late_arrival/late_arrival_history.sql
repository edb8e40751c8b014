-- How punctual were the flights that had arrived by the moment of a prediction? One row a flight.
-- Arrivals and predictions share one stream; windows over it look back from each moment, and need no join.
with flights as (
    select * from {{ ref('late_arrival_flights') }}
),

stream as (
    select
        flight_id,
        predicted_at as moment,
        carrier,
        origin,
        destination,
        route,
        flight_name,
        0 as arrivals,
        0 as late,
        0 as delay
    from flights
    union all
    select
        null as flight_id,
        arrived_at as moment,
        carrier,
        origin,
        destination,
        route,
        flight_name,
        1 as arrivals,
        is_late::integer as late,
        arrival_delay as delay
    from flights
    where arrived_at is not null
),

seen as (
    select
        flight_id,
        {{ share_before('late', 'arrivals', 'carrier', '1 day') }} as carrier_late_1d,
        {{ share_before('late', 'arrivals', 'carrier', '28 days') }} as carrier_late_28d,
        {{ share_before('delay', 'arrivals', 'origin', '3 hours') }} as origin_arrival_delay_3h,
        {{ share_before('delay', 'arrivals', 'destination', '6 hours') }} as destination_arrival_delay_6h,
        {{ share_before('late', 'arrivals', 'destination', '7 days') }} as destination_late_7d,
        {{ share_before('late', 'arrivals', 'route', '28 days') }} as route_late_28d,
        {{ sum_before('arrivals', 'route', '28 days') }} as route_arrivals_28d,
        {{ share_before('late', 'arrivals', 'flight_name', '28 days') }} as flight_late_28d
    from stream
),

final as (
    select * from seen
    where flight_id is not null
)

select * from final
