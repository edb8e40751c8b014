{{ mlbridge.output() }}
{%- set versions = mlbridge.rows_of(ref('ml_versions')) -%}
{%- set fields = {
    'split': 'text', 'slice': 'text', 'metric': 'text', 'value': 'number', 'low': 'number', 'high': 'number',
    'n': 'count', 'baseline': 'number', 'baseline_name': 'text', 'block': 'text', 'blocks': 'count', 'design_effect': 'number',
} -%}
select
    item.model,
    item.version,
    item.candidate,
    item.split,
    item.slice,
    item.metric,
    item.value,
    item.low,
    item.high,
    item.n,
    item.baseline,
    item.baseline_name,
    item.block,
    item.blocks,
    item.design_effect
from {{ mlbridge.unfold(versions, 'metrics', ['model', 'version', 'candidate'], fields) }} as item
