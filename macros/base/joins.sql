{% macro same(left, right, columns) %}
  {#- A join condition: two relations have equal values in `columns`, a text such as 'model, version'. -#}
  {%- set conditions = [] -%}
  {%- for column in columns.split(', ') -%}{%- do conditions.append(left ~ '.' ~ column ~ ' = ' ~ right ~ '.' ~ column) -%}{%- endfor -%}
  {{ return(conditions | join(' and ')) }}
{% endmacro %}
