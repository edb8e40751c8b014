with flights as (
    select * from {{ ref('flights') }}
),

airlines as (
    select * from {{ ref('airlines') }}
),

monthly as (
    select
        carrier,
        date_trunc('month', scheduled_departure_local)::date as month,
        count(*) as flights,
        count(*) filter (where status = 'cancelled') as cancelled,
        count(*) filter (where status = 'diverted') as diverted,
        count(*) filter (where status = 'arrived') as arrived,
        count(*) filter (where arrival_delay >= 15) as late_arrivals,
        avg(arrival_delay)::float8 as mean_arrival_delay,
        percentile_cont(0.5) within group (order by arrival_delay) as median_arrival_delay
    from flights
    group by carrier, date_trunc('month', scheduled_departure_local)::date
),

final as (
    select
        monthly.carrier,
        airlines.name as carrier_name,
        monthly.month,
        monthly.flights,
        monthly.cancelled,
        monthly.diverted,
        monthly.arrived,
        monthly.late_arrivals,
        -- nullif: a month in which nothing arrived has no share, rather than a share of zero
        monthly.late_arrivals::float8 / nullif(monthly.arrived, 0) as late_share,
        monthly.mean_arrival_delay,
        monthly.median_arrival_delay
    from monthly
    left join airlines on monthly.carrier = airlines.carrier
)

select * from final
order by carrier, month
