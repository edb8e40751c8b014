{# The value of a column as training reads it: a number (never NaN) or a text. #}

{% macro value_of(column, kind, table) %}
  {#-
    `column` comes from `adapter.get_columns_in_relation`. A date or timestamp becomes seconds since 1970 (UTC), a boolean
    1 or 0; a long text is shortened.
  -#}
  {%- set value = table ~ '.' ~ mlbridge.quoted(column.name) -%}
  {%- set type = column.dtype | lower -%}
  {%- if kind == 'category' -%}{{ return(mlbridge.shortened('cast(' ~ value ~ ' as ' ~ dbt.type_string() ~ ')')) }}{%- endif -%}
  {%- if type in ['boolean', 'bool'] -%}
    {%- set value = 'case when ' ~ value ~ ' then 1 when not ' ~ value ~ ' then 0 end' -%}
  {%- elif type.startswith('timestamp') or type.startswith('date') -%}
    {%- set value = mlbridge.epoch(value) -%}
  {%- endif -%}
  {%- set number = 'cast(' ~ value ~ ' as ' ~ mlbridge.type_double() ~ ')' -%}
  {{ return(mlbridge.not_nan(number) if column.is_float() else number) }}
{% endmacro %}

{% macro shortened(text) %}
  {#- A text of more than 200 characters as its first 160 and its MD5. `mlbridge/evaluation/long_texts.py` says the same. -#}
  {%- set cut = dbt.concat(['substring(' ~ text ~ ', 1, 160)', mlbridge.text('... '), dbt.hash(text)]) -%}
  {{ return('(case when ' ~ dbt.length(text) ~ ' > 200 then ' ~ cut ~ ' else ' ~ text ~ ' end)') }}
{% endmacro %}
