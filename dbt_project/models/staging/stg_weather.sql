with source as (
    select * from {{ source('raw', 'weather') }}
),

-- the local columns (year, month, day, hour) name 1:00 on 2013-11-03 twice, so time_hour is the key
final as (
    select
        origin,
        time_hour at time zone 'UTC' as observed_at,
        temp as temperature_f,
        dewp as dew_point_f,
        humid as humidity,
        wind_dir::integer as wind_direction_deg,
        -- the fastest wind ever measured on the ground is 253 mph; the source holds one of 1048 mph
        case when wind_speed <= 253 then wind_speed end as wind_speed_mph,
        case when wind_gust <= 253 then wind_gust end as wind_gust_mph,
        precip as precipitation_in,
        pressure as pressure_mb,
        visib as visibility_miles
    from source
)

select * from final
