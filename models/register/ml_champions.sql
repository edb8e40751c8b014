{{ mlbridge.output() }}
with versions as (
    select *
    from {{ ref('ml_versions') }}
    where outcome in ('promoted', 'rejected')
),

champions as (
    {% call(name) mlbridge.each_model() %}
    select
        {{ mlbridge.text(name) }} as model,
        champion as version,
        challenger,
        {{ 'true' if mlbridge.spec(name).shadow else 'false' }} as shadow,
        cast(case when canary is null then 0 else {{ mlbridge.spec(name).canary }} end as {{ mlbridge.type_double() }}) as canary,
        {{ 'false' if mlbridge.spec(name).pin is none else 'true' }} as pinned
    from (
        {{ mlbridge.versions_in_use(name, '(select * from versions where model = ' ~ mlbridge.text(name) ~ ') as logbook') }}
    ) as in_use
    {% endcall %}
),

final as (
    select
        versions.model,
        versions.version,
        versions.candidate,
        champions.pinned,
        versions.reason,
        versions.trained_at,
        versions.rows_train,
        versions.train_from,
        versions.train_to,
        versions.holdout_from,
        versions.artifact_sha256,
        champions.challenger,
        champions.shadow,
        champions.canary
    from champions
    inner join versions
        on champions.model = versions.model and champions.version = versions.version
)

select * from final
