{{ mlbridge.output() }}
{%- set fields = {'feature': 'text', 'check': 'text', 'level': 'text', 'evidence': 'text', 'reason': 'text'} -%}
select
    item.model,
    item.version,
    item.feature,
    item.{{ mlbridge.named('check') }},
    item.level,
    item.evidence,
    item.reason is not null as allowed,
    item.reason
from {{ mlbridge.unfold(mlbridge.rows_of(ref('ml_versions')), 'leaks', ['model', 'version'], fields) }} as item
