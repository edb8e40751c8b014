{{ mlbridge.output('table') }}
with placed as (
    select
        watched.*,
        max(watched.window_start) over (partition by watched.model, watched.what) as newest,
        -- gaps and islands: constant over consecutive windows that all alert, or all do not
        row_number() over (partition by watched.model, watched.what order by watched.window_start)
        - row_number() over (
            partition by watched.model, watched.what, watched.is_alert order by watched.window_start
        ) as run
    from {{ ref('int_ml_alert_candidates') }} as watched
),

alerts as (
    select
        placed.*,
        placed.window_start = placed.newest as is_current,
        min(placed.window_start) over (partition by placed.model, placed.what, placed.run) as since
    from placed
    where placed.is_alert = 1
),

drifting as (
    select
        alerts.*,
        -- since when that drift of the model lasts, beyond notes, which began last before the alert
        max(case when alerts.about = 'drift' and alerts.severity > 1 then alerts.since end)
            over (
                partition by alerts.model, alerts.is_current
                order by alerts.since, case when alerts.about = 'drift' and alerts.severity > 1 then 0 else 1 end
                rows between unbounded preceding and current row
            ) as drift_since
    from alerts
),

begun as (
    select
        drifting.*,
        case
            when drifting.about = 'performance' then coalesce(drifting.drift_since, drifting.since)
            else drifting.since
        end as cause_since
    from drifting
),

origins as (
    select distinct
        model,
        origin
    from {{ ref('int_ml_model_sources') }}
),

caused as (
    select
        begun.*,
        min(begun.model) over (
            partition by coalesce(origins.origin, begun.model), begun.is_current, begun.cause_since
        ) as first_model
    from begun
    left join origins
        on begun.model = origins.model
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
                    || ' since ' || cast(alerts.cause_since as {{ dbt.type_string() }})
        end as incident,
        alerts.is_missing = 1 as more_missing
    from caused as alerts
    left join {{ ref('int_ml_moved_features') }} as moved
        on {{ mlbridge.same('alerts', 'moved', 'model, version, window_start') }}
)

select * from final
