with final as (
    select
        tail_number,
        year_built,
        manufacturer,
        model,
        plane_type,
        engines,
        seats,
        engine_type
    from {{ ref('stg_planes') }}
)

select * from final
order by tail_number
