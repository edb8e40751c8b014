{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- The last build of each declared model, and what the last run of any node that it depends on left undone. Nodes of the
-- host are left out: where one fails, the nodes that read it are skipped.
{%- set failed = "case when last_runs.state = 'error' then nodes.name end" %}
{%- set skipped = "case when last_runs.state = 'skipped' then nodes.name end" %}
{%- set patience = mlbridge.at_least('usual.patience', '86400') %}
with models as (
    {{ mlbridge.declared_models() }}
),

runs as (
    select
        node,
        model,
        status,
        tests_failed,
        invocation_id,
        as_of,
        coalesce(min(started_at) over (partition by invocation_id), as_of) as begun_at
    from {{ ref('ml_runs') }}
),

builds as (
    select
        model,
        invocation_id,
        begun_at,
        max(as_of) as as_of,
        row_number() over (partition by model order by begun_at desc, invocation_id asc) as recency
    from runs
    where model is not null
    group by model, invocation_id, begun_at
),

gaps as (
    select
        builds.model,
        builds.recency,
        {{ mlbridge.epoch('builds.begun_at') }} - {{ mlbridge.epoch('earlier.begun_at') }} as seconds
    from builds
    inner join builds as earlier
        on builds.model = earlier.model and earlier.recency = builds.recency + 1
    where builds.recency < 10
),

usual as (
    select
        model,
        case when count(*) >= 2 then 2 * max(seconds) end as patience
    from gaps
    group by model
),

last_runs as (
    select
        node,
        case
            when status in ('error', 'fail') or tests_failed > 0 then 'error'
            when status = 'skipped' then 'skipped'
            else 'success'
        end as state,
        row_number() over (partition by node order by begun_at desc, invocation_id asc) as recency
    from runs
),

troubles as (
    select
        models.model,
        case max(case last_runs.state when 'error' then 2 when 'skipped' then 1 else 0 end)
            when 2 then 'error'
            when 1 then 'skipped'
            else 'success'
        end as state,
        {{ mlbridge.joined(failed, 'nodes.name') }} as nodes_failed,
        {{ mlbridge.joined(skipped, 'nodes.name') }} as nodes_skipped
    from models
    inner join {{ mlbridge.rows_of(ref('ml_nodes')) }} as nodes
        on models.model = nodes.model or nodes.model is null
    inner join last_runs
        on nodes.name = last_runs.node and last_runs.recency = 1
    where nodes.kind <> 'source' and (nodes.model is not null or nodes.stage <> 'host')
    group by models.model
),

final as (
    select
        models.model,
        builds.begun_at as built_at,
        builds.as_of,
        troubles.state,
        troubles.nodes_failed,
        troubles.nodes_skipped,
        -- less than a day is no delay, however often one has built before
        case
            when usual.patience is not null
                then {{ mlbridge.later('second', 'cast(' ~ patience ~ ' as integer)', 'builds.begun_at') }}
        end as expected_by
    from models
    left join builds
        on models.model = builds.model and builds.recency = 1
    left join usual
        on models.model = usual.model
    left join troubles
        on models.model = troubles.model
)

select * from final
