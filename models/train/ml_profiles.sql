{{ mlbridge.grant() }}
{%- set fields = {
    'feature': 'text', 'role': 'text', 'kind': 'text', 'bin': 'count', 'lower': 'number', 'upper': 'number',
    'category': 'text', 'rows': 'count', 'share': 'number', 'std': 'number', 'partner': 'text',
    'partner_mean': 'number', 'partner_correlation': 'number',
} -%}
select
    versions.model,
    versions.version,
    item.feature,
    item.bin,
    item.role,
    item.kind,
    item.lower,
    item.upper,
    item.category,
    item.rows,
    item.share,
    item.std,
    item.partner,
    item.partner_mean,
    item.partner_correlation
from {{ ref('ml_versions') }} as versions
cross join lateral {{ mlbridge.unfold('versions.profile', fields) }}
