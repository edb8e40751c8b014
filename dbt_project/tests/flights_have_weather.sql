-- 0.46 % of the flights leave in an hour without a row in weather, most of them on 31 December.
with verdict as (
    select
        count(*) as flights,
        count(*) filter (where weather.origin is null) as without_weather
    from {{ ref('flights') }} as flights
    left join {{ ref('weather') }} as weather
        on
            flights.origin = weather.origin
            and date_trunc('hour', flights.scheduled_departure_at) = weather.observed_at
),

final as (
    select *
    from verdict
    where without_weather > 0.005 * flights
)

select * from final
