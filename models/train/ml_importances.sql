{{ mlbridge.grant() }}
{%- set fields = {'feature': 'text', 'mean': 'number', 'std': 'number', 'n': 'count'} -%}
select
    versions.model,
    versions.version,
    item.feature,
    item.mean,
    item.std,
    item.n
from {{ ref('ml_versions') }} as versions
cross join lateral {{ mlbridge.unfold('versions.importances', fields) }}
