{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- The design effect of each metric: how much dependence within the blocks of a version widens its variance, on the test
-- rows.
{%- set versions = mlbridge.rows_of(ref('ml_versions')) %}
{%- set fields = {
    'split': 'text', 'slice': 'text', 'metric': 'text', 'block': 'text', 'blocks': 'count', 'design_effect': 'number',
} %}
{%- set trained = "source.outcome <> 'runner_up'" %}
select
    item.model,
    item.version,
    item.metric,
    coalesce(item.block, 'day') as block,
    item.blocks,
    case when item.design_effect > 1 then item.design_effect else 1 end as design_effect
from {{ mlbridge.unfold(versions, 'metrics', ['model', 'version'], fields, trained) }} as item
where item.split = 'test' and item.slice = 'all'
