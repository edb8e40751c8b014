{% macro long_form(relation, key, metrics) %}
  {#- One row per metric: `metrics` maps its name to columns, each with its SQL; all metrics have the same ones. -#}
  {%- set names, columns = {}, {} -%}
  {%- for name, said in metrics.items() -%}
    {%- set place = loop.index0 -%}
    {%- do names.update({place: mlbridge.text(name)}) -%}
    {%- for column, sql in said.items() -%}{%- do columns.setdefault(column, {}).update({place: sql}) -%}{%- endfor -%}
  {%- endfor -%}
  select
    {{ key }},
    {{ mlbridge.pick('places.place', names) }} as metric
    {%- for column, values in columns.items() %},
    cast({{ mlbridge.pick('places.place', values) }} as {{ mlbridge.type_double() }}) as {{ column }}
    {%- endfor %}
  from {{ relation }}
  cross join {{ mlbridge.numbers(metrics | length) }} as places
{%- endmacro %}
