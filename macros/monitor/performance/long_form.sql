{% macro long_form(relation, key, metrics) %}
  {#-
    `key`, `metric` and a row for each metric. `metrics` maps its name to columns, each an SQL expression; where a metric
    leaves out a column of others, that is NULL.
  -#}
  {%- set names, columns = {}, {} -%}
  {%- for name, figures in metrics.items() -%}
    {%- set item_no = loop.index0 -%}
    {%- do names.update({item_no: mlbridge.text(name)}) -%}
    {%- for column, sql in figures.items() -%}{%- do columns.setdefault(column, {}).update({item_no: sql}) -%}{%- endfor -%}
  {%- endfor -%}
  select
    {{ key }},
    {{ mlbridge.pick('items.item_no', names) }} as metric
    {%- for column, values in columns.items() %},
    cast({{ mlbridge.pick('items.item_no', values) }} as {{ mlbridge.type_double() }}) as {{ column }}
    {%- endfor %}
  from {{ relation }}
  cross join {{ mlbridge.numbers(metrics | length) }} as items
{%- endmacro %}
