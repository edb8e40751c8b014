{% macro each_model() %}
  {#-
    The caller's select for every declared model, put together by `union all`; without any model, no rows with the
    columns of the contract. Use: `call(name) mlbridge.each_model()`.
  -#}
  {%- set names = mlbridge.models() -%}
  {%- if not names %}
{{ mlbridge.no_rows() }}
  {%- endif -%}
  {%- for name in names %}
{{ caller(name) }}
{{ 'union all' if not loop.last }}
  {%- endfor -%}
{% endmacro %}

{% macro no_rows() %}
  {#- A select of the columns of this model's contract that gives no row. -#}
select
    {%- for column in model.columns.values() %}
    cast(null as {{ column.data_type }}) as {{ column.name }}{{ ',' if not loop.last }}
    {%- endfor %}
where 1 = 0
{%- endmacro %}
