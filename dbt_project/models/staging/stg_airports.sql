with source as (
    select * from {{ source('raw', 'airports') }}
),

corrections as (
    select * from {{ ref('airport_corrections') }}
),

renamed as (
    select
        faa as airport,
        -- Martha\\'s Vineyard: the source has kept the escapes of some earlier file
        replace(name, '\', '') as name,
        lat as latitude,
        lon as longitude,
        alt as altitude_feet,
        tzone as time_zone
    from source
),

-- a full join, because the corrections also hold airports which the source lacks
final as (
    select
        coalesce(renamed.airport, corrections.airport) as airport,
        coalesce(corrections.name, renamed.name) as name,
        coalesce(corrections.latitude, renamed.latitude) as latitude,
        coalesce(corrections.longitude, renamed.longitude) as longitude,
        coalesce(corrections.altitude_feet, renamed.altitude_feet) as altitude_feet,
        coalesce(corrections.time_zone, renamed.time_zone) as time_zone
    from renamed
    full join corrections on renamed.airport = corrections.airport
)

select * from final
