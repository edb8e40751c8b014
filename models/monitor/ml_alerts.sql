{{ mlbridge.output('table') }}
{%- set of_incident = 'partition by alerts.origin, alerts.window_days, alerts.incident_since'
    ~ ' order by alerts.needs_outcomes, alerts.about, alerts.since, alerts.model'
    ~ ' rows between unbounded preceding and current row' %}
with alerts as (
    select
        lasting.*,
        causes.origin,
        causes.window_days,
        causes.cause_since,
        lasting.window_start <= causes.also_in as is_fresh
    from {{ mlbridge.rows_of(ref('int_ml_lasting_alerts')) }} as lasting
    inner join {{ mlbridge.rows_of(ref('int_ml_alert_causes')) }} as causes
        on {{ mlbridge.same('lasting', 'causes', 'model, what, since') }}
),

beside as (
    select
        alerts.*,
        -- where a loss of performance begins: the newest drift of its model, beyond notes, or drift that begins too, of
        -- what is known as early
        coalesce(
            max(case when alerts.about = 'drift' and alerts.severity > 1 then alerts.cause_since end)
                over (partition by alerts.model, alerts.window_start),
            max(case
                when alerts.about = 'drift' and alerts.needs_outcomes = 0 and alerts.is_fresh then alerts.cause_since
            end) over (partition by alerts.origin, alerts.window_days, alerts.window_start),
            case
                when alerts.needs_outcomes = 1
                    then
                        max(case when alerts.about = 'drift' and alerts.is_fresh then alerts.cause_since end)
                            over (partition by alerts.model, alerts.window_start)
            end
        ) as drift_since
    from alerts
),

caused as (
    select
        alerts.*,
        coalesce(
            max(case
                when alerts.about = 'performance' and alerts.window_start = alerts.since then alerts.drift_since
            end) over (partition by alerts.model, alerts.what, alerts.since),
            alerts.cause_since
        ) as incident_since
    from beside as alerts
),

named as (
    select
        alerts.*,
        first_value(alerts.model) over ({{ of_incident }}) as first_model,
        first_value(alerts.since) over ({{ of_incident }}) as first_since
    from caused as alerts
),

final as (
    select
        alerts.model,
        alerts.what,
        alerts.window_start as {{ mlbridge.quoted('window') }},
        alerts.window_end,
        alerts.window_start,
        alerts.version,
        alerts.about,
        alerts.since,
        alerts.is_current,
        alerts.what || ': ' || alerts.figures
        || case
            when alerts.about = 'performance' then coalesce('; largest drift times importance: ' || moved.features, '')
            else ''
        end as message,
        {{ mlbridge.severity('alerts.severity') }} as severity,
        alerts.action,
        alerts.feature,
        alerts.baseline,
        alerts.kind,
        alerts.slice,
        alerts.metric,
        case
            when alerts.is_current
                then
                    'alerts of ' || alerts.first_model
                    || ' since ' || cast(alerts.first_since as {{ dbt.type_string() }})
        end as incident,
        alerts.is_missing = 1 as more_missing
    from named as alerts
    left join {{ mlbridge.rows_of(ref('int_ml_moved_features')) }} as moved
        on {{ mlbridge.same('alerts', 'moved', 'model, version, window_start') }}
    where alerts.is_alert = 1
)

select * from final
