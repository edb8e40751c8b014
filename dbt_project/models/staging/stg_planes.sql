with source as (
    select * from {{ source('raw', 'planes') }}
),

spellings as (
    select * from {{ ref('manufacturer_spellings') }}
),

final as (
    select
        source.tailnum as tail_number,
        -- the oldest airframe here is a Douglas of 1956, and no plane flies before it is built
        case when source.year between 1950 and 2013 then source.year::integer end as year_built,
        coalesce(spellings.manufacturer, source.manufacturer) as manufacturer,
        source.model,
        source.type as plane_type,
        source.engines::integer as engines,
        source.seats::integer as seats,
        source.engine as engine_type
    from source
    left join spellings on source.manufacturer = spellings.spelling
)

select * from final
