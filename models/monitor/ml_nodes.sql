{{ mlbridge.output('table') }}
{%- set fields = {
    'node': 'text', 'name': 'text', 'kind': 'text', 'package': 'text', 'model': 'text', 'stage': 'text',
    'materialized': 'text', 'description': 'text', 'parents': 'text',
} -%}
select
    item.node,
    item.name,
    item.kind,
    item.package,
    item.model,
    item.stage,
    item.materialized,
    item.description,
    item.parents
from {{ mlbridge.unfold(mlbridge.lineage_documents(), 'document', [], fields) }} as item
