-- How the origin is running: departures and questions in one stream by time.
with departures as (
    select
        *,
        -- One flight a day late would outweigh a whole bank of flights an hour late.
        least(departure_delay, 180) as minutes
    from {{ ref('flights') }}
),

stream as (
    select
        carrier,
        origin,
        predicted_at as moment,
        0 as departed,
        0 as minutes,
        0 as waiting,
        flight_id
    from {{ ref('late_arrival_questions') }}
    union all
    select
        carrier,
        origin,
        departed_at as moment,
        1 as departed,
        minutes,
        0 as waiting,
        null as flight_id
    from departures
    where departed_at is not null
    union all
    -- Everyone sees that a flight is due and still at the gate. Why, and whether it will ever leave, nobody knows,
    -- so a flight counts as waiting for six hours at most.
    select
        carrier,
        origin,
        scheduled_departure_at as moment,
        0 as departed,
        0 as minutes,
        1 as waiting,
        null as flight_id
    from departures
    union all
    select
        carrier,
        origin,
        least(
            greatest(coalesce(departed_at, scheduled_departure_at + interval 6 hours), scheduled_departure_at),
            scheduled_departure_at + interval 6 hours
        ) as moment,
        0 as departed,
        0 as minutes,
        -1 as waiting,
        null as flight_id
    from departures
),

summed as (
    select
        flight_id,
        sum(minutes) over origin_hours / nullif(sum(departed) over origin_hours, 0) as origin_departure_delay_3h,
        cast(sum(departed) over origin_hours as integer) as origin_departures_3h,
        cast(sum(waiting) over origin_so_far as integer) as origin_waiting,
        sum(minutes) over carrier_hours / nullif(sum(departed) over carrier_hours, 0) as carrier_departure_delay_3h,
        cast(sum(waiting) over carrier_so_far as integer) as carrier_waiting
    from stream
    window
        origin_hours as (partition by origin order by moment range interval 3 hours preceding),
        origin_so_far as (partition by origin order by moment range unbounded preceding),
        carrier_hours as (partition by origin, carrier order by moment range interval 3 hours preceding),
        carrier_so_far as (partition by origin, carrier order by moment range unbounded preceding)
)

select *
from summed
where flight_id is not null
