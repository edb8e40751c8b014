-- Arrivals and questions in one stream by time: each question sums over the arrivals known before it.
with arrivals as (
    select
        carrier,
        origin,
        destination,
        origin || '-' || destination as route,
        arrived_at as moment,
        1 as arrived,
        cast(arrival_delay >= 15 as integer) as late
    from {{ ref('flights') }}
    where arrived_at is not null
),

stream as (
    select
        *,
        null as flight_id
    from arrivals
    union all
    select
        carrier,
        origin,
        destination,
        route,
        predicted_at as moment,
        0 as arrived,
        0 as late,
        flight_id
    from {{ ref('late_arrival_questions') }}
),

summed as (
    select
        flight_id,
        sum(late) over carrier_week / nullif(sum(arrived) over carrier_week, 0) as carrier_late_7d,
        sum(late) over carrier_month / nullif(sum(arrived) over carrier_month, 0) as carrier_late_28d,
        sum(late) over origin_day / nullif(sum(arrived) over origin_day, 0) as origin_late_1d,
        sum(late) over origin_week / nullif(sum(arrived) over origin_week, 0) as origin_late_7d,
        sum(late) over route_month / nullif(sum(arrived) over route_month, 0) as route_late_28d,
        cast(sum(arrived) over route_month as integer) as route_flights_28d,
        sum(late) over destination_week / nullif(sum(arrived) over destination_week, 0) as destination_late_7d
    from stream
    window
        carrier_week as (partition by carrier order by moment range interval 7 days preceding),
        carrier_month as (partition by carrier order by moment range interval 28 days preceding),
        origin_day as (partition by origin order by moment range interval 1 day preceding),
        origin_week as (partition by origin order by moment range interval 7 days preceding),
        route_month as (partition by route order by moment range interval 28 days preceding),
        destination_week as (partition by destination order by moment range interval 7 days preceding)
)

select *
from summed
where flight_id is not null
