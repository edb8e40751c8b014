{# Which rows belong together, so that they count as one draw of the world: the blocks of a version. #}

{% macro blocks_of(training, version) %}
  {#-
    What the training says of a version: `unit` (row, hour, day, week, month, entity or a column of the split), how many blocks
    its test had, and by metric by how much blocks widen the variance of independent rows. A logbook of before 0.6 says
    nothing: `day`, no number, no effects.
  -#}
  {%- set fields = {'split': 'text', 'slice': 'text', 'metric': 'text', 'block': 'text', 'blocks': 'count', 'design_effect': 'number'} -%}
  {%- set said = run_query(
    'select item.metric, item.block, item.blocks, item.design_effect from '
    ~ mlbridge.unfold(training, 'metrics', [], fields, 'source.version = ' ~ version ~ " and source.outcome in ('promoted', 'rejected')")
    ~ " as item where item.split = 'test' and item.slice = 'all'"
  ).rows -%}
  {%- set found = {'unit': 'day', 'count': none} -%}
  {%- set effects = {} -%}
  {%- for row in said -%}
    {%- if row[1] -%}{%- do found.update({'unit': row[1], 'count': row[2]}) -%}{%- endif -%}
    {%- if row[3] is not none and row[3] > 1 -%}{%- do effects.update({row[0]: row[3]}) -%}{%- endif -%}
  {%- endfor -%}
  {{ return(dict(found, effects=effects)) }}
{% endmacro %}

{% macro block_expression(unit, split) %}
  {#- The block of a row, as SQL over `predictions` and `facts`. A column that the split has no more makes way for the day. -#}
  {%- if unit == 'row' -%}{{ return('0') }}{%- endif -%}
  {%- if unit == 'entity' -%}{{ return('predictions.entity') }}{%- endif -%}
  {%- if unit in ['hour', 'day', 'week', 'month'] -%}{{ return(mlbridge.window_start(unit, 'predictions.time')) }}{%- endif -%}
  {%- set columns = adapter.get_columns_in_relation(split) | map(attribute='name') | list -%}
  {%- if unit not in columns -%}{{ return(mlbridge.window_start('day', 'predictions.time')) }}{%- endif -%}
  {{ return('cast(facts.' ~ mlbridge.quoted(unit) ~ ' as ' ~ dbt.type_string() ~ ')') }}
{% endmacro %}
