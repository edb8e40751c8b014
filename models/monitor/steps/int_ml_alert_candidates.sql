{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- Everything that is watched of the versions in use, by window: the drift of each feature, and the performance of each
-- kind and slice. A window that is not over, has too few rows or is muted for another reason has no row, so that it
-- does not end an alert of the window before.
{%- set start = mlbridge.quoted('window') %}
with drifted as (
    select
        drift.model,
        drift.version,
        'drift' as about,
        'drift of ' || drift.feature as what,
        drift.feature,
        drift.baseline,
        cast(null as {{ dbt.type_string() }}) as kind,
        cast(null as {{ dbt.type_string() }}) as slice,
        drift.{{ start }} as window_start,
        drift.window_end,
        drift.alert,
        case when drift.feature = 'ml_target' then 1 else 0 end as needs_outcomes,
        drift.alert or drift.is_comparable as is_judged,
        case when drift.metric = 'null_share_change' and drift.value > 0 then 1 else 0 end as is_missing,
        case when drift.baseline = 'training' then '1 ' else '2 ' end || drift.metric as sort_key,
        {{ mlbridge.severity_of_drift() }} as severity,
        {{ mlbridge.action_on_drift() }} as action,
        drift.metric || ' ' || {{ mlbridge.figure('drift.value') }} || ' against ' || drift.baseline
        || ' (threshold ' || {{ mlbridge.figure('drift.threshold') }} || ')' as sentence
    from {{ mlbridge.rows_of(ref('ml_drift')) }} as drift
    left join {{ mlbridge.rows_of(ref('int_ml_relied_features')) }} as relied
        on {{ mlbridge.same('drift', 'relied', 'model, version, feature') }}
    where drift.value is not null
),

watched as (
    select * from drifted
    union all
    select * from {{ ref('int_ml_performance_candidates') }}
),

final as (
    select
        watched.model,
        watched.version,
        watched.about,
        watched.what,
        watched.feature,
        watched.kind,
        watched.slice,
        watched.window_start,
        watched.window_end,
        -- training where both baselines alert
        max(case when watched.alert then watched.baseline end) as baseline,
        max(watched.needs_outcomes) as needs_outcomes,
        max(case when watched.alert then 1 else 0 end) as is_alert,
        max(case when watched.alert then watched.severity else 0 end) as severity,
        max(case when watched.alert then watched.is_missing else 0 end) as is_missing,
        max(watched.action) as action,
        -- as it sorts them: the deciding metric, or that against training, first
        substring(min(case when watched.alert then watched.sort_key end), 3) as metric,
        {{ mlbridge.joined('case when watched.alert then watched.sentence end', 'watched.sort_key') }} as figures
    from watched
    inner join {{ mlbridge.rows_of(ref('ml_champions')) }} as champions
        on {{ mlbridge.same('watched', 'champions', 'model, version') }}
    group by
        watched.model, watched.version, watched.about, watched.what, watched.feature, watched.kind, watched.slice,
        watched.window_start, watched.window_end
    having max(case when watched.is_judged then 1 else 0 end) = 1
)

select * from final
