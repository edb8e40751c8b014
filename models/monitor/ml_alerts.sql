{{ mlbridge.grant() }}
with placed as (
    select
        watched.*,
        max(watched.window_start) over (partition by watched.model, watched.what) as newest,
        -- the same number for windows in a row that are all alerts, or all none
        row_number() over (partition by watched.model, watched.what order by watched.window_start)
        - row_number() over (
            partition by watched.model, watched.what, watched.is_alert order by watched.window_start
        ) as run
    from {{ ref('ml_watched') }} as watched
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
        alerts.version,
        alerts.about,
        alerts.since,
        alerts.window_start = alerts.newest as is_current,
        alerts.what || ': ' || alerts.figures
        || case
            when alerts.about = 'performance' then coalesce('; what moved most and matters: ' || moved.features, '')
            else ''
        end as message,
        {{ mlbridge.severity('alerts.severity') }} as severity,
        alerts.action
    from alerts
    left join {{ ref('ml_moved') }} as moved
        on
            alerts.model = moved.model
            and alerts.version = moved.version
            and alerts.window_start = moved.window_start
)

select * from final
