{{ mlbridge.output() }}
{%- set fields = {
    'node': 'text', 'column_name': 'text', 'from_node': 'text', 'from_column': 'text', 'how': 'text', 'certainty': 'text', 'condition': 'text',
    'is_pii': 'count',
} -%}
{%- set newest -%}
(
    select
        versions.model,
        versions.version,
        versions.lineage
    from {{ mlbridge.rows_of(ref('ml_versions')) }} as versions
    inner join (
        select
            model,
            max(version) as version
        from {{ ref('ml_versions') }}
        where lineage is not null
        group by model
    ) as traced
        on versions.model = traced.model and versions.version = traced.version
    where versions.lineage is not null
)
{%- endset -%}
select
    item.model,
    item.version,
    item.node,
    item.column_name,
    item.from_node,
    item.from_column,
    item.how,
    item.certainty,
    item.condition,
    item.is_pii = 1 as is_pii
from {{ mlbridge.unfold(newest, 'lineage', ['model', 'version'], fields) }} as item
