{{ mlbridge.output() }}
{%- set fields = {'feature': 'text', 'mean': 'number', 'std': 'number', 'n': 'count'} -%}
select
    item.model,
    item.version,
    item.feature,
    item.mean,
    item.std,
    item.n
from {{ mlbridge.unfold(mlbridge.rows_of(ref('ml_versions')), 'importances', ['model', 'version'], fields) }} as item
