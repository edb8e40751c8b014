with final as (
    select
        origin,
        observed_at,
        temperature_f,
        dew_point_f,
        humidity,
        wind_direction_deg,
        wind_speed_mph,
        wind_gust_mph,
        precipitation_in,
        pressure_mb,
        visibility_miles
    from {{ ref('stg_weather') }}
)

select * from final
order by observed_at, origin
