{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- What the current alerts of an incident have in common, in texts: their models, all of them; the features that
-- drifted, the most severe first; and, of several models, the sources that all of them read.
{%- set most = 5 %}
with alerts as (
    select
        incident,
        model,
        feature,
        {{ mlbridge.severity_rank('severity') }} as severity_rank
    from {{ ref('ml_alerts') }}
    where is_current
),

models as (
    select distinct
        incident,
        model
    from alerts
),

several as (
    select
        incident,
        count(*) as n
    from models
    group by incident
    having count(*) > 1
),

named as (
    select
        incident,
        'model' as kind,
        model as name,
        0 as severity_rank
    from models

    union all

    select
        incident,
        'feature' as kind,
        feature as name,
        max(severity_rank) as severity_rank
    from alerts
    where feature is not null
    group by incident, feature

    union all

    select
        models.incident,
        'source' as kind,
        sources.source as name,
        0 as severity_rank
    from models
    inner join {{ mlbridge.rows_of(ref('int_ml_model_sources')) }} as sources
        on models.model = sources.model
    inner join several
        on models.incident = several.incident
    group by models.incident, sources.source, several.n
    having count(*) = several.n
),

ranked as (
    select
        named.*,
        row_number() over (
            partition by named.incident, named.kind order by named.severity_rank desc, named.name asc
        ) as name_rank
    from named
),

final as (
    select
        incident,
        kind,
        count(*) as n,
        {{ mlbridge.joined("case when kind = 'model' or name_rank <= " ~ most ~ ' then name end', 'name_rank') }}
        || case
            when kind <> 'model' and count(*) > {{ most }}
                then ' and ' || cast(count(*) - {{ most }} as {{ dbt.type_string() }}) || ' more'
            else ''
        end as names
    from ranked
    group by incident, kind
)

select * from final
