{{ mlbridge.from_logbooks(unique_key=['model', 'version']) }}
{%- set fields = {
    'node': 'text', 'column_name': 'text', 'from_node': 'text', 'from_column': 'text', 'how': 'text', 'certainty': 'text', 'condition': 'text',
    'is_pii': 'count',
} -%}
{%- set traced -%}
(
    select
        versions.model,
        versions.version,
        versions.trained_at,
        versions.lineage
    from {{ mlbridge.rows_of(ref('ml_versions')) }} as versions
    {% if is_incremental() %}
    left join (select distinct model, version, trained_at from {{ this }}) as known
        on versions.model = known.model and versions.version = known.version and versions.trained_at = known.trained_at
    where versions.lineage is not null and known.model is null
    {% else %}
    where versions.lineage is not null
    {% endif %}
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
    item.is_pii = 1 as is_pii,
    item.trained_at
from {{ mlbridge.unfold(traced, 'lineage', ['model', 'version', 'trained_at'], fields) }} as item
