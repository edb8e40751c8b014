{{ mlbridge.output() }}
{%- set fields = {
    'feature': 'text', 'role': 'text', 'kind': 'text', 'bin': 'count', 'lower': 'number', 'upper': 'number',
    'category': 'text', 'rows': 'count', 'share': 'number', 'std': 'number', 'partner': 'text',
    'partner_mean': 'number', 'partner_correlation': 'number', 'mean': 'number',
} -%}
select
    item.model,
    item.version,
    item.feature,
    item.bin,
    item.role,
    item.kind,
    item.lower,
    item.upper,
    item.category,
    item.{{ mlbridge.named('rows') }},
    item.share,
    item.std,
    item.partner,
    item.partner_mean,
    item.partner_correlation,
    item.mean
from {{ mlbridge.unfold(mlbridge.rows_of(ref('ml_versions')), 'profile', ['model', 'version'], fields) }} as item
