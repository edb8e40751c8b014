{% macro long_form(relation, key, metrics) %}
  {#- One row per metric: `metrics` maps its name to the SQL of its value and of its standard error. -#}
  {%- set names, values, errors = {}, {}, {} -%}
  {%- for name, said in metrics.items() -%}
    {%- do names.update({loop.index0: mlbridge.text(name)}) -%}
    {%- do values.update({loop.index0: said[0]}) -%}
    {%- do errors.update({loop.index0: said[1]}) -%}
  {%- endfor -%}
  select
    {{ key }},
    {{ mlbridge.pick('places.place', names) }} as metric,
    {{ mlbridge.pick('places.place', values) }} as value,
    {{ mlbridge.pick('places.place', errors) }} as se,
    n
  from {{ relation }}
  cross join {{ mlbridge.numbers(metrics | length) }} as places
{%- endmacro %}
