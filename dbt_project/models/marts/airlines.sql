with final as (
    select
        carrier,
        name
    from {{ ref('stg_airlines') }}
)

select * from final
order by carrier
