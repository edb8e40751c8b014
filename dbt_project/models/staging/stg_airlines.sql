with source as (
    select * from {{ source('raw', 'airlines') }}
),

final as (
    select
        carrier,
        trim(name) as name
    from source
)

select * from final
