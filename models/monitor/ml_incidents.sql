{#- Only as a view: `ml_runs`, which it reads, gets its rows at the end of the command. -#}
{{ mlbridge.output('view', ['view']) }}
with ranked as (
    select
        alerts.*,
        row_number() over (
            partition by alerts.incident
            order by
                {{ mlbridge.severity_rank('alerts.severity') }} desc,
                alerts.about desc,
                alerts.since asc,
                alerts.model asc,
                alerts.what asc
        ) as alert_rank
    from {{ mlbridge.rows_of(ref('ml_alerts')) }} as alerts
    where alerts.is_current
),

worst as (
    select
        incident,
        max(about) as about,
        min(since) as since,
        count(*) as n,
        count(distinct case when more_missing then feature end) as n_missing,
        max(case when alert_rank = 1 then severity end) as severity,
        max(case when alert_rank = 1 then model end) as model,
        max(case when alert_rank = 1 then feature end) as feature,
        max(case when alert_rank = 1 then message end) as message,
        max(case when alert_rank = 1 then action end) as action
    from ranked
    group by incident
),

of_alerts as (
    select
        worst.incident,
        worst.severity,
        models.names as models,
        worst.about,
        worst.since,
        case when models.n > 1 then worst.model || ': ' else '' end
        || worst.message
        -- a feature that drifted alone stands in the message already
        || case
            when features.n > 1 or worst.feature is null then coalesce('. Drifted: ' || features.names, '')
            else ''
        end
        || case
            when worst.n_missing > 1
                then
                    '; in ' || cast(worst.n_missing as {{ dbt.type_string() }})
                    || ' of these more values are missing than usual'
            else ''
        end
        || coalesce('. All of these models read ' || sources.names, '') as message,
        worst.action,
        worst.n as alerts,
        sources.names as sources
    from worst
    inner join {{ mlbridge.rows_of(ref('int_ml_incident_names')) }} as models
        on worst.incident = models.incident and models.kind = 'model'
    left join {{ mlbridge.rows_of(ref('int_ml_incident_names')) }} as features
        on worst.incident = features.incident and features.kind = 'feature'
    left join {{ mlbridge.rows_of(ref('int_ml_incident_names')) }} as sources
        on worst.incident = sources.incident and sources.kind = 'source'
),

origins as (
    select distinct
        model,
        origin
    from {{ ref('int_ml_model_sources') }}
),

states as (
    select
        findings.*,
        -- one build is one cause for all models, and rows that stay away for all that read the same sources
        case findings.about
            when 'build' then 'build of ' || cast(findings.since as {{ dbt.type_string() }})
            when 'rows' then 'rows of ' || coalesce(origins.origin, findings.model)
            else 'version of ' || findings.model
        end as incident
    from {{ mlbridge.rows_of(ref('int_ml_findings')) }} as findings
    left join origins
        on findings.model = origins.model
    where findings.about in ('build', 'rows', 'version') and findings.verdict in ('act', 'look')
),

ordered as (
    select
        states.*,
        row_number() over (
            partition by states.incident order by states.finding_rank asc, states.model asc
        ) as state_rank
    from states
),

of_states as (
    select
        incident,
        max(case when state_rank = 1 then verdict end) as severity,
        {{ mlbridge.joined('model', 'model') }} as models,
        max(about) as about,
        min(since) as since,
        max(case when state_rank = 1 then reason end) as message,
        max(case when state_rank = 1 then action end) as action,
        0 as alerts,
        cast(null as {{ dbt.type_string() }}) as sources
    from ordered
    group by incident
),

every as (
    select * from of_alerts
    union all
    select * from of_states
),

final as (
    select
        incident,
        severity,
        models,
        about,
        since,
        message,
        action,
        cast(alerts as {{ dbt.type_bigint() }}) as alerts,
        sources
    from every
)

select * from final
