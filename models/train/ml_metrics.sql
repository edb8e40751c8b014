{{ mlbridge.grant() }}
{%- set fields = {
    'split': 'text', 'slice': 'text', 'metric': 'text', 'value': 'number', 'low': 'number', 'high': 'number',
    'n': 'count', 'baseline': 'number',
} -%}
select
    versions.model,
    versions.version,
    versions.candidate,
    item.split,
    item.slice,
    item.metric,
    item.value,
    item.low,
    item.high,
    item.n,
    item.baseline
from {{ ref('ml_versions') }} as versions
cross join lateral {{ mlbridge.unfold('versions.metrics', fields) }}
