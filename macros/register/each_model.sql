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
  {#- A select of the columns of this model's contract that gives no row. Some engines allow no WHERE without a FROM. -#}
  {%- set types = {'text': dbt.type_string(), 'float8': mlbridge.type_double()} -%}
select *
from (
    select
        {%- for column in model.columns.values() %}
        cast(null as {{ types.get(column.data_type, column.data_type) }}) as {{ mlbridge.named(column.name) }}{{ ',' if not loop.last }}
        {%- endfor %}
) as nothing
where 1 = 0
{%- endmacro %}
