{# The blocks of a version: which rows count as one independent draw. #}

{% macro blocks_of(training, version) %}
  {#-
    `unit` (row, hour, day, week, month, entity or a column of the split), the `count` of blocks among the test rows, and
    the design `effects` above 1 by metric, as the training recorded them. Logbooks of before 0.6 record nothing: then the
    unit is the day, without a count and effects.
  -#}
  {%- set fields = {'split': 'text', 'slice': 'text', 'metric': 'text', 'block': 'text', 'blocks': 'count', 'design_effect': 'number'} -%}
  {%- set recorded = run_query(
    'select item.metric, item.block, item.blocks, item.design_effect from '
    ~ mlbridge.unfold(training, 'metrics', [], fields, 'source.version = ' ~ version ~ " and source.outcome in ('promoted', 'rejected')")
    ~ " as item where item.split = 'test' and item.slice = 'all'"
  ).rows -%}
  {%- set found = {'unit': 'day', 'count': none} -%}
  {%- set effects = {} -%}
  {%- for row in recorded -%}
    {%- if row[1] -%}{%- do found.update({'unit': row[1], 'count': row[2]}) -%}{%- endif -%}
    {%- if row[3] is not none and row[3] > 1 -%}{%- do effects.update({row[0]: row[3]}) -%}{%- endif -%}
  {%- endfor -%}
  {{ return(dict(found, effects=effects)) }}
{% endmacro %}

{% macro block_expression(unit, split) %}
  {#-
    The block of a row, as SQL over `predictions` and `facts`. The day takes the place of a column that the split no
    longer has.
  -#}
  {%- if unit == 'row' -%}{{ return('0') }}{%- endif -%}
  {%- if unit == 'entity' -%}{{ return('predictions.entity') }}{%- endif -%}
  {%- if unit in ['hour', 'day', 'week', 'month'] -%}{{ return(mlbridge.window_start(unit, 'predictions.time')) }}{%- endif -%}
  {%- set columns = mlbridge.names_in(split) -%}
  {%- if unit not in columns -%}{{ return(mlbridge.window_start('day', 'predictions.time')) }}{%- endif -%}
  {{ return('cast(facts.' ~ mlbridge.quoted(unit) ~ ' as ' ~ dbt.type_string() ~ ')') }}
{% endmacro %}
