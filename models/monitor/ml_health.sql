{#- Only as a view: `ml_runs`, which it reads, gets its rows at the end of the command. -#}
{{ mlbridge.output('view', ['view']) }}
with alerts as (
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
        states.model,
        verdicts.verdict,
        verdicts.reason,
        verdicts.action,
        verdicts.since,
        states.version,
        states.candidate,
        states.trained_as_of,
        states.metric,
        states.unit,
        rules.greater_is_better,
        states.kind,
        states.value,
        states.low,
        states.high,
        states.n,
        states.baseline,
        states.threshold,
        states.reference,
        states.window_start,
        states.window_end,
        cast(coalesce(alerts.acts, 0) as {{ dbt.type_bigint() }}) as alerts_act,
        cast(coalesce(alerts.looks, 0) as {{ dbt.type_bigint() }}) as alerts_look,
        cast(coalesce(alerts.notes, 0) as {{ dbt.type_bigint() }}) as alerts_note,
        states.newest_at as newest_row_at,
        states.built_at as last_build_at,
        states.built_as_of as last_build_as_of,
        states.state as last_build_state,
        states.expected_by as next_build_expected_by,
        states.decided_because as last_decision,
        states.decided_at as last_decision_at
    from {{ mlbridge.rows_of(ref('int_ml_model_states')) }} as states
    inner join {{ mlbridge.rows_of(ref('int_ml_verdicts')) }} as verdicts
        on states.model = verdicts.model
    left join {{ mlbridge.rows_of(ref('ml_thresholds')) }} as rules
        on states.metric = rules.metric
    left join alerts
        on states.model = alerts.model
)

select * from final
