{{ mlbridge.output('table') }}
with fixed as (
    {{ mlbridge.fixed_thresholds() }}
),

beside as (
    select
        measured.model,
        measured.version,
        measured.window_start,
        measured.slice,
        measured.kind,
        measured.metric,
        measured.value,
        measured.se,
        measured.n,
        coalesce(measured.baseline, case when measured.kind = 'estimated' then usual.baseline end) as baseline,
        measured.skill_se,
        measured.support,
        measured.events,
        measured.low,
        measured.high,
        measured.block,
        measured.blocks,
        measured.degrees_of_freedom,
        measured.share,
        measured.n_effective,
        measured.t_quantile,
        measured.optimism,
        measured.skewness,
        windows.window_end,
        versions.as_of as trained,
        usual.value as reference,
        usual.skill,
        usual.is_by_window,
        coalesce(usual.windows, 0) as windows,
        usual.n as n_usual,
        usual.variance,
        {{ mlbridge.deviations() }} as deviations,
        rules.floor as least_distance,
        rules.relative,
        fixed.threshold as fixed_threshold,
        fixed.threshold is not null as is_fixed,
        case when rules.greater_is_better then 1 else 0 end as perfect,
        case when rules.greater_is_better then -1 else 1 end as worse
    from {{ mlbridge.rows_of(ref('int_ml_performance_intervals')) }} as measured
    inner join {{ mlbridge.rows_of(ref('ml_thresholds')) }} as rules
        on measured.metric = rules.metric
    inner join {{ mlbridge.rows_of(ref('ml_windows')) }} as windows
        on {{ mlbridge.same('measured', 'windows', 'model, version, window_size, window_start') }}
    inner join {{ mlbridge.rows_of(ref('ml_versions')) }} as versions
        on {{ mlbridge.same('measured', 'versions', 'model, version') }} and versions.outcome <> 'runner_up'
    left join {{ mlbridge.rows_of(ref('int_ml_usual_skill')) }} as usual
        on {{ mlbridge.same('measured', 'usual', 'model, version, window_start, slice, metric') }}
    left join fixed
        on measured.model = fixed.model and fixed.feature is null and measured.metric = fixed.metric
),

{{ mlbridge.judged('beside') }},

{{ mlbridge.bounded('judged') }},

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
        coalesce(muted is null and worse * value > worse * threshold, false) as alert,
        window_end,
        window_start,
        reference,
        baseline,
        block,
        blocks,
        n >= {{ mlbridge.enough_rows() }} and {{ mlbridge.is_over('window_end') }} as is_comparable,
        muted
    from bounded
)

select * from final
