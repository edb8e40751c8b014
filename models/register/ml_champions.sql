{{ mlbridge.grant() }}
with versions as (
    select *
    from {{ ref('ml_versions') }}
    where outcome in ('promoted', 'rejected') and not is_retired
),

pins as (
    {{ mlbridge.pins() }}
),

ranked as (
    select
        model,
        version,
        row_number() over (partition by model order by as_of desc, trained_at desc, version desc) as place
    from versions
    where
        outcome = 'promoted'
        {% if var('mlbridge_as_of', none) -%}
            -- a past day that is built again knows no later version
            and as_of <= cast('{{ mlbridge.as_of() }}' as timestamp)
        {%- endif %}
),

promoted as (
    select *
    from ranked
    where place = 1
),

chosen as (
    select
        coalesce(pins.model, promoted.model) as model,
        coalesce(pins.version, promoted.version) as version,
        pins.version is not null as pinned
    from promoted
    full outer join pins on promoted.model = pins.model
),

final as (
    select
        versions.model,
        versions.version,
        versions.candidate,
        chosen.pinned,
        versions.reason,
        versions.trained_at,
        versions.rows_train,
        versions.train_from,
        versions.train_to,
        versions.holdout_from,
        versions.artifact_sha256
    from chosen
    inner join versions
        on chosen.model = versions.model and chosen.version = versions.version
)

select * from final
