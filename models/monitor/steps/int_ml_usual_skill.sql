{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- The mean skill of a version for each window that is judged, over the windows of its training but the judged one,
-- which must not influence its own threshold.
with sums as (
    select
        model,
        version,
        slice,
        metric,
        window_start,
        count(*) as windows,
        count(window_start) as windows_known,
        sum(n) as n,
        sum(n * skill) as skill,
        sum(n * skill * skill) as skill_square,
        sum(n * value) as value,
        sum(n * baseline) as baseline
    from {{ ref('int_ml_reference_skill') }}
    group by model, version, slice, metric, window_start
),

of_all as (
    select
        model,
        version,
        slice,
        metric,
        sum(windows) as windows,
        sum(windows_known) as windows_known,
        sum(n) as n,
        sum(skill) as skill,
        sum(skill_square) as skill_square,
        sum(value) as value,
        sum(baseline) as baseline
    from sums
    group by model, version, slice, metric
),

judged as (
    select distinct
        model,
        version,
        slice,
        metric,
        window_start
    from {{ ref('int_ml_performance_intervals') }}
),

others as (
    select
        judged.model,
        judged.version,
        judged.slice,
        judged.metric,
        judged.window_start,
        of_all.windows_known > 0 as is_by_window,
        of_all.windows - coalesce(own.windows, 0) as windows,
        of_all.n - coalesce(own.n, 0) as n,
        of_all.skill - coalesce(own.skill, 0) as skill,
        of_all.skill_square - coalesce(own.skill_square, 0) as skill_square,
        of_all.value - coalesce(own.value, 0) as value,
        of_all.baseline - coalesce(own.baseline, 0) as baseline
    from judged
    inner join of_all
        on {{ mlbridge.same('judged', 'of_all', 'model, version, slice, metric') }}
    left join sums as own
        on {{ mlbridge.same('judged', 'own', 'model, version, slice, metric, window_start') }}
),

final as (
    select
        model,
        version,
        slice,
        metric,
        window_start,
        is_by_window,
        windows,
        n,
        skill / n as skill,
        value / n as value,
        baseline / n as baseline,
        -- variance between windows, which includes chance
        case
            when windows > 1 and skill_square / n > skill / n * skill / n
                then (skill_square / n - skill / n * skill / n) * windows / (windows - 1)
            else 0
        end as variance
    from others
    where windows > 0
)

select * from final
