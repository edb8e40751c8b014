{{ mlbridge.output('table') }}
{%- set watched = 'partition by watched.model, watched.what order by watched.window_start' %}
{%- set of_one = 'partition by alerts.model, alerts.what order by alerts.window_start' %}
{%- set of_model = "partition by alerts.model, alerts.is_current"
    ~ " order by alerts.since, case when alerts.about = 'drift' and alerts.severity > 1 then 0 else 1 end" %}
{%- set of_origin = 'partition by begun.origin, begun.is_current'
    ~ ' order by begun.cause_since, begun.model, begun.what, begun.window_start' %}
{%- set up_to_this = 'rows between unbounded preceding and current row' %}
with placed as (
    select
        watched.*,
        max(watched.window_start) over (partition by watched.model, watched.what) as newest,
        row_number() over ({{ watched }}) as place,
        coalesce(lead(watched.window_start) over ({{ watched }}), watched.window_end) as next_start
    from {{ mlbridge.rows_of(ref('int_ml_alert_candidates')) }} as watched
),

spaced as (
    select
        alerts.*,
        alerts.window_start = alerts.newest as is_current,
        coalesce(alerts.place - lag(alerts.place) over ({{ of_one }}), 3) as steps
    from placed as alerts
    where alerts.is_alert = 1
),

lasting as (
    select
        alerts.*,
        -- one window that misses it does not end an alert, two do
        max(case when alerts.steps > 2 then alerts.window_start end) over ({{ of_one }} {{ up_to_this }}) as since,
        -- the end of the window in which it began last, after a window that missed it too
        max(case when alerts.steps > 1 then alerts.next_start end) over ({{ of_one }} {{ up_to_this }}) as begun_until
    from spaced as alerts
),

drifting as (
    select
        alerts.*,
        -- since when that drift of the model lasts, beyond notes, which began last before the alert
        max(case when alerts.about = 'drift' and alerts.severity > 1 then alerts.since end)
            over ({{ of_model }} {{ up_to_this }}) as drift_since,
        max(case when alerts.about = 'drift' and alerts.severity > 1 then alerts.begun_until end)
            over ({{ of_model }} {{ up_to_this }}) as drift_begun_until
    from lasting as alerts
),

origins as (
    select distinct
        model,
        origin
    from {{ ref('int_ml_model_sources') }}
),

begun as (
    select
        drifting.*,
        coalesce(origins.origin, drifting.model) as origin,
        case
            when drifting.about = 'performance' then coalesce(drifting.drift_since, drifting.since)
            else drifting.since
        end as cause_since,
        case
            when drifting.about = 'performance' then coalesce(drifting.drift_begun_until, drifting.begun_until)
            else drifting.begun_until
        end as cause_until
    from drifting
    left join origins
        on drifting.model = origins.model
),

told_apart as (
    select
        begun.*,
        -- beginnings that overlap, or are in neighbouring windows, may be of one cause, which some windows missed
        coalesce(
            begun.cause_since > max(begun.cause_until) over (
                {{ of_origin }} rows between unbounded preceding and 1 preceding
            ),
            true
        ) as is_another
    from begun
),

dated as (
    select
        begun.*,
        max(case when begun.is_another then begun.cause_since end) over (
            {{ of_origin }} {{ up_to_this }}
        ) as incident_since
    from told_apart as begun
),

caused as (
    select
        dated.*,
        min(dated.model) over (partition by dated.origin, dated.is_current, dated.incident_since) as first_model
    from dated
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
        case
            when alerts.is_current
                then
                    'alerts of ' || alerts.first_model
                    || ' since ' || cast(alerts.incident_since as {{ dbt.type_string() }})
        end as incident,
        alerts.is_missing = 1 as more_missing
    from caused as alerts
    left join {{ mlbridge.rows_of(ref('int_ml_moved_features')) }} as moved
        on {{ mlbridge.same('alerts', 'moved', 'model, version, window_start') }}
)

select * from final
