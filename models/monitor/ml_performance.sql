{{ mlbridge.grant() }}
{{ config(materialized='table') }}
with fixed as (
    {{ mlbridge.fixed_thresholds() }}
),

measured as (
    select
        model,
        version,
        window_size,
        window_start,
        slice,
        'realized' as kind,
        metric,
        value,
        se,
        n
    from {{ ref('ml_realized') }}
    union all
    select
        model,
        version,
        window_size,
        window_start,
        slice,
        'estimated' as kind,
        metric,
        value,
        se,
        cast(n as bigint) as n
    from {{ ref('ml_estimated') }}
),

bounded as (
    select
        measured.*,
        windows.window_end,
        usual.mean as reference,
        case when rules.greater_is_better then -1 else 1 end as worse,
        coalesce(
            fixed.threshold,
            usual.mean + case when rules.greater_is_better then -1 else 1 end * greatest(
                rules.floor * case when rules.relative then abs(usual.mean) else 1 end,
                rules.deviations * usual.deviation,
                rules.deviations * coalesce(measured.se, 0)
            )
        ) as threshold
    from measured
    inner join {{ ref('ml_thresholds') }} as rules
        on measured.metric = rules.metric
    inner join {{ ref('ml_windows') }} as windows
        on
            measured.model = windows.model
            and measured.version = windows.version
            and measured.window_size = windows.window_size
            and measured.window_start = windows.window_start
    left join {{ ref('ml_remembered') }} as usual
        on
            measured.model = usual.model
            and measured.version = usual.version
            and measured.slice = usual.slice
            and measured.metric = usual.metric
    left join fixed
        on measured.model = fixed.model and fixed.feature is null and measured.metric = fixed.metric
),

final as (
    select
        model,
        version,
        slice,
        window_start as {{ mlbridge.quoted('window') }},
        kind,
        metric,
        value,
        {{ mlbridge.interval_end('-') }} as low,
        {{ mlbridge.interval_end('+') }} as high,
        n,
        -- no metric of which more is better can be below 0, but r2
        case when worse < 0 and metric <> 'r2' and threshold < 0 then 0 else threshold end as threshold,
        coalesce(
            worse * value > worse * threshold
            -- of fewer rows not even the standard errors are worth stating
            and n >= {{ mlbridge.enough_rows() }}
            and window_end <= cast('{{ mlbridge.as_of() }}' as timestamp),
            false
        ) as alert,
        window_end,
        reference
    from bounded
)

select * from final
