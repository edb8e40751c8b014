{{ mlbridge.grant() }}
{{ config(materialized='table') }}
with measured as (
    {{ mlbridge.one_row_per_metric() }}
),

fixed as (
    {{ mlbridge.fixed_thresholds() }}
),

bounded as (
    select
        measured.*,
        windows.window_end,
        coalesce(own.threshold, common.threshold) as fixed,
        coalesce(rules.floor * case when rules.relative then measured.scale else 1 end, 0) as floor,
        case
            when usual.windows >= 3 and measured.scale is not null
                then
                    measured.scale
                    * (usual.mean + {{ mlbridge.widened('rules.deviations', 'usual.windows') }} * usual.deviation)
            else 0
        end as usual,
        coalesce({{ mlbridge.noise('measured.metric', 'rules.deviations') }}, 0) as noise,
        -- part of a window, or the first hours of a stream, cannot be compared with whole ones; a few rows with none
        measured.rows_used >= {{ mlbridge.enough_rows() }}
        and windows.window_end <= cast('{{ mlbridge.as_of() }}' as timestamp)
        and measured.rows_used >= coalesce(usual.rows_typical, 0) / 10 as is_comparable,
        measured.rows_used >= {{ mlbridge.enough_rows() }} and rules.while_open as is_early
    from measured
    inner join {{ ref('ml_thresholds') }} as rules
        on measured.metric = rules.metric
    inner join {{ ref('ml_windows') }} as windows
        on
            measured.model = windows.model
            and measured.version = windows.version
            and measured.window_start = windows.window_start
    left join {{ ref('ml_usual') }} as usual
        on
            measured.model = usual.model
            and measured.version = usual.version
            and measured.feature = usual.feature
            and measured.baseline = usual.baseline
            and measured.metric = usual.metric
    left join fixed as own
        on measured.model = own.model and measured.feature = own.feature and measured.metric = own.metric
    left join fixed as common
        on measured.model = common.model and common.feature is null and measured.metric = common.metric
    where measured.period = 'scored'
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
        coalesce(fixed, greatest(floor, usual, noise)) as threshold,
        coalesce(
            (is_comparable or is_early)
            and {{ mlbridge.size_of('value') }} > coalesce(fixed, greatest(floor, usual, noise)),
            false
        ) as alert,
        cast(rows_used as bigint) as rows_used,
        cast(rows_new - rows_used as bigint) as rows_unused,
        cast(rows_baseline as bigint) as rows_baseline,
        window_end,
        case
            when fixed is not null then 'fixed'
            when usual >= greatest(floor, noise) then 'reference'
            when floor >= noise then 'floor'
            else 'noise'
        end as threshold_from,
        is_comparable
    from bounded
)

select * from final
