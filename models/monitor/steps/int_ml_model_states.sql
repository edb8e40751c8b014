{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- What is known of each declared model: its version in use and how well that does, its last build and decisions, and
-- how old its newest row is.
with models as (
    {{ mlbridge.declared_models() }}
),

trained as (
    select distinct model
    from {{ ref('ml_versions') }}
),

final as (
    select
        models.model,
        models.metric,
        models.unit,
        models.window_days,
        trained.model is not null as is_trained,
        champions.version,
        champions.candidate,
        versions.as_of as trained_as_of,
        versions.damaged_documents,
        performance.kind,
        performance.value,
        performance.low,
        performance.high,
        performance.n,
        performance.baseline,
        performance.threshold,
        performance.reference,
        performance.muted,
        performance.window_start,
        performance.window_end,
        newest.newest_at,
        builds.built_at,
        builds.as_of as built_as_of,
        builds.state,
        builds.nodes_failed,
        builds.nodes_skipped,
        builds.expected_by,
        decisions.decided_because,
        decisions.decided_at,
        decisions.trained_because,
        decisions.trained_at,
        coalesce(decisions.is_withheld, 0) as is_withheld
    from models
    left join trained
        on models.model = trained.model
    left join {{ mlbridge.rows_of(ref('ml_champions')) }} as champions
        on models.model = champions.model
    left join {{ mlbridge.rows_of(ref('ml_versions')) }} as versions
        on {{ mlbridge.same('champions', 'versions', 'model, version') }} and versions.outcome <> 'runner_up'
    left join {{ mlbridge.rows_of(ref('int_ml_current_performance')) }} as performance
        on models.model = performance.model
    left join {{ mlbridge.rows_of(ref('int_ml_newest_rows')) }} as newest
        on models.model = newest.model
    left join {{ mlbridge.rows_of(ref('int_ml_last_builds')) }} as builds
        on models.model = builds.model
    left join {{ mlbridge.rows_of(ref('int_ml_last_decisions')) }} as decisions
        on models.model = decisions.model
)

select * from final
