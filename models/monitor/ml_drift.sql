{{ mlbridge.grant() }}
{{ config(materialized='table') }}
with measured as (
    {{ mlbridge.one_row_per_metric() }}
),

-- What is normal: the same metric over those windows of the training period that hold at least half as many rows as the
-- average one.
typical as (
    select
        measured.*,
        avg(rows_used) over (partition by model, version, feature, baseline, metric) as rows_typical
    from measured
    where period = 'training' and value is not null
),

reference as (
    select
        model,
        version,
        feature,
        baseline,
        metric,
        count(*) as windows,
        max(rows_typical) as rows_typical,
        avg({{ mlbridge.size_of('value') }} / scale) as mean,
        stddev_samp({{ mlbridge.size_of('value') }} / scale) as deviation
    from typical
    where rows_used >= rows_typical / 2
    group by model, version, feature, baseline, metric
),

fixed as (
    {{ mlbridge.fixed_thresholds() }}
),

bounded as (
    select
        measured.*,
        windows.window_end,
        rules.while_open,
        coalesce(own.threshold, common.threshold) as fixed,
        rules.floor * case when rules.relative then measured.scale else 1 end as floor,
        case
            when reference.windows >= 3
                then (reference.mean + {{ mlbridge.widened('rules.deviations', 'reference.windows') }} * reference.deviation)
                    * measured.scale
            else 0
        end as usual,
        coalesce({{ mlbridge.noise('measured.metric', 'rules.deviations') }}, 0) as noise,
        -- the rest of a stream, or its first hours, is no window to compare with whole ones
        windows.window_end <= cast('{{ mlbridge.as_of() }}' as timestamp)
        and measured.rows_used >= coalesce(reference.rows_typical, 0) / 10 as is_whole
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
            and measured.feature = reference.feature
            and measured.baseline = reference.baseline
            and measured.metric = reference.metric
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
            {{ mlbridge.size_of('value') }} > coalesce(fixed, greatest(floor, usual, noise))
            and (while_open or is_whole),
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
        end as threshold_from
    from bounded
)

select * from final
