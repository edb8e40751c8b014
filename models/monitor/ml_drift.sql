{{ mlbridge.grant() }}
{{ config(materialized='table') }}
with limited as (
    select
        limits.*,
        case when bound < usual then bound else usual end as bounded,
        is_enough and (is_over and is_typical or while_open) as is_heard
    from {{ ref('ml_limits') }} as limits
),

beside as (
    select
        limited.*,
        max(case when metric = 'ks' then greatest(noise, bounded) end) over (
            partition by model, version, feature, window_start, baseline
        ) as ks_usual
    from limited
),

judged as (
    select
        beside.*,
        coalesce(fixed, greatest(floor, noise, bounded)) as threshold,
        {{ mlbridge.size_of('value') }} > coalesce(fixed, greatest(floor, noise, bounded)) as is_above,
        {{ mlbridge.is_within_chance() }} as is_within_chance
    from beside
),

explained as (
    select
        judged.*,
        {{ mlbridge.muted() }} as muted
    from judged
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
        coalesce(is_above and muted is null, false) as alert,
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
        muted
    from explained
)

select * from final
