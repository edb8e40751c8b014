{{ mlbridge.grant() }}
{{ config(materialized='table') }}
{%- set fields = {
    'window_size': 'text', 'slice': 'text', 'metric': 'text', 'value': 'number', 'n': 'count',
} %}
with measured as (
    select
        realized.model,
        realized.version,
        realized.window_start,
        realized.slice,
        'realized' as kind,
        realized.metric,
        realized.value,
        realized.se,
        realized.n
    from {{ ref('ml_realized') }} as realized
    inner join {{ ref('ml_windows') }} as windows
        on
            realized.model = windows.model
            and realized.version = windows.version
            and realized.window_size = windows.window_size
            and realized.window_start = windows.window_start
    union all
    select
        model,
        version,
        window_start,
        slice,
        'estimated' as kind,
        metric,
        value,
        se,
        cast(n as bigint) as n
    from {{ ref('ml_estimated') }}
),

-- What is normal: the windows of the validation and the test rows that hold at least half as many rows as the average one.
remembered as (
    select
        versions.model,
        versions.version,
        item.slice,
        item.metric,
        item.value,
        item.n,
        avg(item.n) over (partition by versions.model, versions.version, item.slice, item.metric) as n_typical
    from {{ ref('ml_versions') }} as versions
    cross join lateral {{ mlbridge.unfold('versions.reference', fields) }}
    where
        item.value is not null
        and exists (
            select 1
            from {{ ref('ml_windows') }} as windows
            where
                windows.model = versions.model
                and windows.version = versions.version
                and windows.window_size = item.window_size
        )
),

reference as (
    select
        model,
        version,
        slice,
        metric,
        sum(value * n) / sum(n) as mean,
        coalesce(stddev_samp(value), 0) as deviation
    from remembered
    where n >= n_typical / 2
    group by model, version, slice, metric
),

fixed as (
    {{ mlbridge.fixed_thresholds() }}
),

bounded as (
    select
        measured.*,
        windows.window_end,
        rules.greater_is_better,
        reference.mean as reference,
        case when rules.greater_is_better then -1 else 1 end as worse,
        coalesce(
            fixed.threshold,
            reference.mean + case when rules.greater_is_better then -1 else 1 end * greatest(
                rules.floor * case when rules.relative then abs(reference.mean) else 1 end,
                rules.deviations * reference.deviation,
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
            and measured.window_start = windows.window_start
    left join reference
        on
            measured.model = reference.model
            and measured.version = reference.version
            and measured.slice = reference.slice
            and measured.metric = reference.metric
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
        threshold,
        coalesce(
            worse * value > worse * threshold
            -- of fewer rows not even the standard errors are worth stating
            and n >= 30
            and window_end <= cast('{{ mlbridge.as_of() }}' as timestamp),
            false
        ) as alert,
        window_end,
        reference
    from bounded
)

select * from final
