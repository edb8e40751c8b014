{{ mlbridge.output('table') }}
with limited as (
    select
        limits.*,
        case when limits.bound < limits.usual then limits.bound else limits.usual end as bounded,
        limits.is_enough and (limits.is_over and limits.is_typical or limits.while_open) as may_alert
    from {{ mlbridge.rows_of(ref('int_ml_drift_thresholds')) }} as limits
),

beside as (
    select
        limited.*,
        coalesce(limited.fixed, greatest(limited.floor, limited.noise, limited.bounded)) as threshold,
        max(case when limited.metric = 'ks' then greatest(limited.noise, limited.bounded) end) over (
            partition by limited.model, limited.version, limited.feature, limited.window_start, limited.baseline
        ) as ks_usual
    from limited
),

judged as (
    select
        beside.*,
        {{ mlbridge.without_sign('beside.value') }} > beside.threshold as is_above,
        {{ mlbridge.by_drift_metric('is_within_chance') }} as is_within_chance
    from beside
),

explained as (
    select
        judged.*,
        {{ mlbridge.muted_drift() }} as muted
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
        window_start,
        case
            when fixed is not null then 'fixed'
            when bounded >= greatest(floor, noise) and bounded < usual then 'bound'
            when bounded >= greatest(floor, noise) then 'reference'
            when floor >= noise then 'floor'
            else 'noise'
        end as threshold_from,
        is_enough and is_over and is_typical as is_comparable,
        muted
    from explained
)

select * from final
