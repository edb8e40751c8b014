{{ config(materialized='ephemeral', access='private', contract={'enforced': false}) }}
-- What is watched of the versions in use, window by window: each feature's drift, and the performance of each kind
-- and slice; whether something is above or below its threshold, and its figures in words. A window that is not over
-- yet, has too few rows or is muted for another reason says nothing, so that it does not end what an earlier one
-- said.
{%- set start = mlbridge.quoted('window') %}
with drifted as (
    select
        drift.model,
        drift.version,
        'drift' as about,
        'drift of ' || drift.feature as what,
        drift.{{ start }} as window_start,
        drift.window_end,
        drift.alert,
        drift.alert or drift.is_comparable as speaks,
        case when drift.baseline = 'training' then '1 ' else '2 ' end || drift.metric as place,
        {{ mlbridge.severity_of_drift() }} as severity,
        {{ mlbridge.action_on_drift() }} as action,
        drift.metric || ' ' || {{ mlbridge.figure('drift.value') }} || ' against ' || drift.baseline
        || ' (threshold ' || {{ mlbridge.figure('drift.threshold') }} || ')' as said
    from {{ ref('ml_drift') }} as drift
    left join {{ ref('ml_relied') }} as relied
        on drift.model = relied.model and drift.version = relied.version and drift.feature = relied.feature
    where drift.value is not null
),

measured as (
    select
        performance.model,
        performance.version,
        'performance' as about,
        performance.kind || ' performance'
        || case when performance.slice = 'all' then '' else ' of ' || performance.slice end as what,
        performance.{{ start }} as window_start,
        performance.window_end,
        performance.alert,
        performance.alert or performance.muted is null as speaks,
        performance.metric as place,
        {{ mlbridge.severity_of_performance() }} as severity,
        {{ mlbridge.action_on_performance() }} as action,
        performance.metric || ' ' || {{ mlbridge.figure('performance.value') }}
        || ' (' || {{ mlbridge.figure('performance.low') }} || ' to ' || {{ mlbridge.figure('performance.high') }}
        || ' on ' || cast(performance.n as {{ dbt.type_string() }}) || ' rows; threshold '
        || {{ mlbridge.figure('performance.threshold') }}
        || ', usually '
        || {{ mlbridge.figure('performance.reference') }}
        || ')' as said
    from {{ ref('ml_performance') }} as performance
    where performance.value is not null
),

watched as (
    select * from drifted
    union all
    select * from measured
),

final as (
    select
        watched.model,
        watched.version,
        watched.about,
        watched.what,
        watched.window_start,
        watched.window_end,
        max(case when watched.alert then 1 else 0 end) as is_alert,
        max(case when watched.alert then watched.severity else 0 end) as severity,
        max(watched.action) as action,
        {{ mlbridge.joined('case when watched.alert then watched.said end', 'watched.place') }} as figures
    from watched
    inner join {{ ref('ml_champions') }} as champions
        on watched.model = champions.model and watched.version = champions.version
    group by watched.model, watched.version, watched.about, watched.what, watched.window_start, watched.window_end
    having max(case when watched.speaks then 1 else 0 end) = 1
)

select * from final
