{{ mlbridge.output() }}
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
        min(placed.window_start) over (partition by placed.model, placed.what, placed.run) as since
    from placed
    where placed.is_alert = 1
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
        alerts.window_start = alerts.newest as is_current,
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
        alerts.slice
    from alerts
    left join {{ ref('int_ml_moved_features') }} as moved
        on {{ mlbridge.same('alerts', 'moved', 'model, version, window_start') }}
)

select * from final
