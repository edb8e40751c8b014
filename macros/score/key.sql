{# The key of a row as text, as the predictions hold it: one column as it is, several as a JSON array of texts. #}

{% macro key_as_text(columns, table) %}
  {%- set texts = [] -%}
  {%- for name in columns -%}
    {%- do texts.append('cast(' ~ table ~ '.' ~ mlbridge.quoted(name) ~ ' as ' ~ dbt.type_string() ~ ')') -%}
  {%- endfor -%}
  {{ return(texts[0] if texts | length == 1 else adapter.dispatch('json_array', 'mlbridge')(texts)) }}
{% endmacro %}

{% macro default__json_array(texts) %}
  {#- By hand, because json_build_array puts a space behind each comma. -#}
  {%- set items = [] -%}
  {%- for text in texts -%}{%- do items.append('cast(to_json(' ~ text ~ ') as text)') -%}{%- endfor -%}
  {{ return("'[' || " ~ items | join(" || ',' || ") ~ " || ']'") }}
{% endmacro %}

{% macro duckdb__json_array(texts) %}
  {{ return('cast(json_array(' ~ texts | join(', ') ~ ') as varchar)') }}
{% endmacro %}

{% macro snowflake__json_array(texts) %}{{ return('to_json(array_construct(' ~ texts | join(', ') ~ '))') }}{% endmacro %}

{% macro bigquery__json_array(texts) %}{{ return('to_json_string([' ~ texts | join(', ') ~ '])') }}{% endmacro %}

{% macro spark__json_array(texts) %}{{ return('to_json(array(' ~ texts | join(', ') ~ '))') }}{% endmacro %}

{% macro redshift__json_array(texts) %}{{ return('json_serialize(array(' ~ texts | join(', ') ~ '))') }}{% endmacro %}

{% macro as_number(relation, name, table) %}
  {#- An outcome as a number: a boolean as 0 or 1, a text as NULL. -#}
  {%- set column = adapter.get_columns_in_relation(relation) | selectattr('name', 'equalto', name) | first -%}
  {%- set value = table ~ '.' ~ mlbridge.quoted(name) -%}
  {%- if column is not defined -%}{{ return('cast(null as ' ~ mlbridge.type_double() ~ ')') }}{%- endif -%}
  {%- if column.dtype | lower in ['boolean', 'bool'] -%}
    {%- set value = 'case when ' ~ value ~ ' then 1 when not ' ~ value ~ ' then 0 end' -%}
  {%- elif not column.is_number() -%}
    {%- set value = 'null' -%}
  {%- endif -%}
  {{ return('cast(' ~ value ~ ' as ' ~ mlbridge.type_double() ~ ')') }}
{% endmacro %}

{% macro type_double() %}
  {#- A 64-bit float, which `dbt.type_float` is not everywhere. -#}
  {{ return(adapter.dispatch('type_double', 'mlbridge')()) }}
{% endmacro %}

{% macro default__type_double() %}{{ return('double precision') }}{% endmacro %}

{% macro bigquery__type_double() %}{{ return('float64') }}{% endmacro %}

{% macro spark__type_double() %}{{ return('double') }}{% endmacro %}
