{{ mlbridge.grant() }}
{{ config(materialized='table') }}
with limited as (
    select
        limits.*,
        case when bound < usual then bound else usual end as bounded,
        is_enough and (is_over and is_typical or while_open) as is_heard
    from {{ ref('ml_limits') }} as limits
),

judged as (
    select
        limited.*,
        coalesce(fixed, greatest(floor, noise, bounded)) as threshold,
        {{ mlbridge.size_of('value') }} > coalesce(fixed, greatest(floor, noise, bounded)) as is_above,
        fixed is null and metric = 'wasserstein' and ks <= sqrt(u * ln(2 / alpha) / 2) as is_within_chance
    from limited
),

final as (
    select
        model,
        version,
        feature,
        window_start as {{ mlbridge.quoted('window') }},
        baseline,
        metric,
        value,
        threshold,
        coalesce(is_heard and is_above and not is_within_chance, false) as alert,
        cast(rows_used as bigint) as rows_used,
        cast(rows_new - rows_used as bigint) as rows_unused,
        cast(rows_baseline as bigint) as rows_baseline,
        window_end,
        case
            when fixed is not null then 'fixed'
            when bounded >= greatest(floor, noise) and bounded < usual then 'bound'
            when usual >= greatest(floor, noise) then 'reference'
            when floor >= noise then 'floor'
            else 'noise'
        end as threshold_from,
        is_enough and is_over and is_typical as is_comparable,
        {{ mlbridge.muted() }} as muted
    from judged
)

select * from final
