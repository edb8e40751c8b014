-- Two spellings of one maker begin alike: AIRBUS and AIRBUS INDUSTRIE.
with makers as (
    select distinct manufacturer
    from {{ ref('planes') }}
),

final as (
    select
        short.manufacturer,
        long.manufacturer as longer_spelling
    from makers as short
    inner join makers as long on starts_with(long.manufacturer, short.manufacturer || ' ')
)

select * from final
