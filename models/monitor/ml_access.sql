{#- Only as a view: a build grants on each node when it builds it, and on those after this one too. -#}
{{ mlbridge.output('view', ['view']) }}
{%- set fields = {
    'kind': 'text', 'node': 'text', 'model': 'text', 'stage': 'text', 'database_name': 'text', 'schema_name': 'text',
    'relation_name': 'text', 'input': 'text', 'grantee': 'text', 'privilege': 'text',
} -%}
{%- set has_catalog = 'false' if mlbridge.observed_grants() is none else 'true' %}
with facts as (
    select * from {{ mlbridge.unfold(mlbridge.access_documents(), 'document', [], fields) }} as item
),

nodes as (
    select *
    from facts
    where kind = 'node'
),

observed as (
    {{ mlbridge.observed_grants_of_nodes() }}
),

configured as (
    select distinct
        node,
        grantee,
        privilege
    from facts
    where kind = 'grant'
),

grants as (
    select
        coalesce(configured.node, observed.node) as node,
        coalesce(configured.grantee, observed.grantee) as grantee,
        coalesce(configured.privilege, observed.privilege) as privilege,
        configured.node is not null as is_configured,
        case when {{ has_catalog }} then observed.node is not null end as is_observed
    from configured
    full outer join observed
        on {{ mlbridge.same('configured', 'observed', 'node, grantee, privilege') }}
),

known as (
    select
        grants.*,
        nodes.database_name,
        nodes.schema_name,
        nodes.relation_name,
        nodes.model,
        nodes.stage,
        case
            when grants.privilege = 'select'
                then {{ mlbridge.can_read('grants.grantee', 'nodes.schema_name', 'nodes.relation_name') }}
        end as is_readable
    from grants
    inner join nodes
        on grants.node = nodes.node
),

pairs as (
    select
        known.node,
        known.grantee,
        inputs.node as input,
        {{ mlbridge.can_read('known.grantee', 'inputs.schema_name', 'inputs.relation_name') }} as is_readable
    from known
    inner join facts
        on known.node = facts.node and facts.kind = 'input'
    inner join nodes as inputs
        on facts.input = inputs.node
    where known.privilege = 'select' and coalesce(known.is_readable, known.is_configured)
),

-- 1 or 0; without a catalog it is known of an input, NULL otherwise, if the project configures grants on it
compared as (
    select
        pairs.node,
        pairs.grantee,
        pairs.input,
        coalesce(
            max(case when pairs.is_readable then 1 when not pairs.is_readable then 0 end),
            max(
                case
                    when configured.privilege = 'select' and configured.grantee in (pairs.grantee, 'public') then 1
                    when configured.node is not null then 0
                end
            )
        ) as is_readable
    from pairs
    left join configured
        on pairs.input = configured.node
    group by pairs.node, pairs.grantee, pairs.input
),

judged as (
    select
        node,
        grantee,
        min(case when is_readable is null then 0 else 1 end) as all_known,
        nullif({{ mlbridge.joined('case when is_readable = 0 then input end', 'input') }}, '') as unreadable_inputs
    from compared
    group by node, grantee
),

final as (
    select
        known.node,
        known.database_name,
        known.schema_name,
        known.relation_name,
        known.model,
        known.stage,
        known.grantee,
        known.privilege,
        known.is_configured,
        known.is_observed,
        known.is_readable,
        case
            when known.stage in ('source', 'host') or known.privilege <> 'select' then null
            when not coalesce(known.is_readable, known.is_configured) then null
            when judged.unreadable_inputs is not null then true
            when coalesce(judged.all_known, 1) = 1 then false
        end as is_widened,
        case when known.privilege = 'select' then judged.unreadable_inputs end as unreadable_inputs
    from known
    left join judged
        on known.node = judged.node and known.grantee = judged.grantee
)

select * from final
