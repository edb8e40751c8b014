with final as (
    select
        airport,
        name,
        latitude,
        longitude,
        altitude_feet,
        time_zone
    from {{ ref('stg_airports') }}
)

select * from final
order by airport
