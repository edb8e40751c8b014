{#- Only as a view: `ml_runs`, which it reads, gets its rows at the end of the command. -#}
{{ mlbridge.output('view', ['view']) }}
with models as (
    {{ mlbridge.declared_models() }}
),

alerts as (
    select
        model,
        max(case when severity = 'act' then n else 0 end) as acts,
        max(case when severity = 'look' then n else 0 end) as looks,
        max(case when severity = 'note' then n else 0 end) as notes
    from {{ ref('int_ml_current_alerts') }}
    group by model
),

final as (
    select
        models.model,
        verdicts.verdict,
        verdicts.reason,
        verdicts.action,
        verdicts.since,
        champions.version,
        champions.candidate,
        versions.as_of as trained_as_of,
        models.metric,
        models.unit,
        rules.greater_is_better,
        performance.kind,
        performance.value,
        performance.low,
        performance.high,
        performance.n,
        performance.baseline,
        performance.threshold,
        performance.reference,
        performance.window_start,
        performance.window_end,
        cast(coalesce(alerts.acts, 0) as {{ dbt.type_bigint() }}) as alerts_act,
        cast(coalesce(alerts.looks, 0) as {{ dbt.type_bigint() }}) as alerts_look,
        cast(coalesce(alerts.notes, 0) as {{ dbt.type_bigint() }}) as alerts_note,
        newest.newest_at as newest_row_at,
        builds.built_at as last_build_at,
        builds.as_of as last_build_as_of,
        builds.state as last_build_state,
        builds.expected_by as next_build_expected_by,
        decisions.decided_because as last_decision,
        decisions.decided_at as last_decision_at
    from models
    inner join {{ ref('int_ml_verdicts') }} as verdicts
        on models.model = verdicts.model
    left join {{ ref('ml_thresholds') }} as rules
        on models.metric = rules.metric
    left join {{ ref('ml_champions') }} as champions
        on models.model = champions.model
    left join {{ ref('ml_versions') }} as versions
        on {{ mlbridge.same('champions', 'versions', 'model, version') }} and versions.outcome <> 'runner_up'
    left join {{ ref('int_ml_current_performance') }} as performance
        on models.model = performance.model
    left join {{ ref('int_ml_newest_rows') }} as newest
        on models.model = newest.model
    left join {{ ref('int_ml_last_builds') }} as builds
        on models.model = builds.model
    left join {{ ref('int_ml_last_decisions') }} as decisions
        on models.model = decisions.model
    left join alerts
        on models.model = alerts.model
)

select * from final
