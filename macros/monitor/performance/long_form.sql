{% macro long_form(relation, key, metrics) %}
  {#-
    `key`, `metric` and a row for each metric. `metrics` maps its name to columns, each an SQL expression; where a metric
    leaves out a column of others, that is NULL.
  -#}
  {%- set columns = {'metric': {'type': dbt.type_string(), 'cases': {}}} -%}
  {%- for name, figures in metrics.items() -%}
    {%- set item_no = loop.index0 -%}
    {%- do columns.metric.cases.update({item_no: mlbridge.text(name)}) -%}
    {%- for column, sql in figures.items() -%}
      {%- do columns.setdefault(column, {'type': mlbridge.type_double(), 'cases': {}}).cases.update({item_no: sql}) -%}
    {%- endfor -%}
  {%- endfor -%}
  select {{ key }}, {{ columns | join(', ') }}
  from (
    {{ mlbridge.by_item(relation, key.split(', '), columns, metrics | length) }}
  ) as by_metric
{%- endmacro %}
