{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- The alerts, and since when each of them lasts. One window that misses an alert does not end it, and has a row here
-- too (`is_alert` is 0 in it); two do.
{%- set of_one = 'partition by alerts.model, alerts.what order by alerts.window_start' %}
with placed as (
    select
        alerts.*,
        row_number() over ({{ of_one }}) as place,
        lag(alerts.is_alert) over ({{ of_one }}) as was_alert,
        lead(alerts.window_start) over ({{ of_one }}) as next_start
    from {{ mlbridge.rows_of(ref('int_ml_alert_candidates')) }} as alerts
),

kept as (
    select
        alerts.*,
        lag(alerts.place) over ({{ of_one }}) as place_before,
        lag(alerts.severity) over ({{ of_one }}) as severity_before,
        lead(alerts.place) over ({{ of_one }}) as place_after,
        lead(alerts.is_alert) over ({{ of_one }}) as alerts_after
    from placed as alerts
    where alerts.is_alert = 1 or alerts.was_alert = 1
),

final as (
    select
        alerts.model,
        alerts.version,
        alerts.about,
        alerts.what,
        alerts.feature,
        alerts.kind,
        alerts.slice,
        alerts.window_start,
        alerts.window_end,
        alerts.baseline,
        alerts.needs_outcomes,
        alerts.is_alert,
        case when alerts.is_alert = 1 then alerts.severity else alerts.severity_before end as severity,
        alerts.is_missing,
        alerts.action,
        alerts.metric,
        alerts.figures,
        max(case when coalesce(alerts.place - alerts.place_before, 2) > 1 then alerts.window_start end) over (
            {{ of_one }} rows between unbounded preceding and current row
        ) as since,
        alerts.next_start,
        alerts.is_alert = 1 and alerts.next_start is null as is_current,
        case
            when
                alerts.place_after = alerts.place + 1
                and alerts.alerts_after = 1
                and alerts.next_start <= alerts.window_end
                then alerts.next_start
            else alerts.window_start
        end as also_in
    from kept as alerts
)

select * from final
