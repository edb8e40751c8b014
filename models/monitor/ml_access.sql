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
    select * from facts where kind = 'node'
),

observed as (
    {{ mlbridge.observed_grants_of_nodes() }}
),

configured as (
    select distinct node, grantee, privilege from facts where kind = 'grant'
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

readers as (
    select node, grantee
    from grants
    where privilege = 'select' and coalesce(is_observed, is_configured)
),

-- without a catalog it is known of an input who may read it if the project says so
inputs as (
    select
        facts.node,
        facts.input,
        {{ has_catalog }} or exists (select 1 from configured where configured.node = facts.input) as is_known
    from facts
    where facts.kind = 'input'
),

compared as (
    select
        readers.node,
        readers.grantee,
        inputs.input,
        inputs.is_known,
        inputs.is_known and not exists (
            select 1
            from readers as allowed
            where allowed.node = inputs.input and {{ mlbridge.has_role('readers.grantee', 'allowed.grantee') }}
        ) as is_shut
    from readers
    inner join inputs
        on readers.node = inputs.node
),

judged as (
    select
        node,
        grantee,
        min(case when is_known then 1 else 0 end) as all_known,
        nullif({{ mlbridge.joined('case when is_shut then input end', 'input') }}, '') as unreadable_inputs
    from compared
    group by node, grantee
),

final as (
    select
        grants.node,
        nodes.database_name,
        nodes.schema_name,
        nodes.relation_name,
        nodes.model,
        nodes.stage,
        grants.grantee,
        grants.privilege,
        grants.is_configured,
        grants.is_observed,
        case
            when nodes.stage in ('source', 'host') or grants.privilege <> 'select' then null
            when not coalesce(grants.is_observed, grants.is_configured) then null
            when judged.unreadable_inputs is not null then true
            when coalesce(judged.all_known, 1) = 1 then false
        end as is_widened,
        case when grants.privilege = 'select' then judged.unreadable_inputs end as unreadable_inputs
    from grants
    inner join nodes
        on grants.node = nodes.node
    left join judged
        on grants.node = judged.node and grants.grantee = judged.grantee
)

select * from final
