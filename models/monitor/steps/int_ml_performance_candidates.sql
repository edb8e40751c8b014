{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- Each row of `ml_performance` as a sentence, with severity and action if it is an alert. If the metric by which
-- versions are chosen alerts, other metrics are only named.
{%- set group = 'performance.model, performance.version, performance.kind, performance.slice, performance.'
    ~ mlbridge.quoted('window') %}
with deciding as (
    {{ mlbridge.declared_models() }}
),

compared as (
    select
        performance.*,
        deciding.metric as deciding_metric,
        case when performance.metric = deciding.metric then 1 else 0 end as is_deciding,
        max(case when performance.metric = deciding.metric and performance.muted is null then 1 else 0 end)
            over (partition by {{ group }}) as deciding_can_alert,
        max(case when performance.metric = deciding.metric and performance.alert then 1 else 0 end)
            over (partition by {{ group }}) as deciding_alerts
    from {{ mlbridge.rows_of(ref('ml_performance')) }} as performance
    left join deciding
        on performance.model = deciding.model
),

final as (
    select
        model,
        version,
        'performance' as about,
        kind || ' performance' || case when slice = 'all' then '' else ' of ' || slice end as what,
        cast(null as {{ dbt.type_string() }}) as feature,
        cast(null as {{ dbt.type_string() }}) as baseline,
        kind,
        slice,
        {{ mlbridge.quoted('window') }} as window_start,
        window_end,
        alert,
        case when kind = 'realized' then 1 else 0 end as needs_outcomes,
        alert or muted is null as is_judged,
        0 as is_missing,
        case when is_deciding = 1 then '1 ' else '2 ' end || metric as sort_key,
        {{ mlbridge.severity_of_performance() }} as severity,
        {{ mlbridge.action_on_performance() }} as action,
        case
            when deciding_alerts = 1 and is_deciding = 0 then 'also ' || metric
            else
                metric || ' ' || {{ mlbridge.figure('value') }}
                || ' (' || {{ mlbridge.figure('low') }} || ' to ' || {{ mlbridge.figure('high') }}
                || ' on ' || cast(n as {{ dbt.type_string() }}) || ' rows; threshold '
                || {{ mlbridge.figure('threshold') }} || ', usually ' || {{ mlbridge.figure('reference') }} || ')'
        end as sentence
    from compared
    where value is not null
)

select * from final
