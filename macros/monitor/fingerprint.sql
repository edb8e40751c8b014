{# What a window's figures rest on, as one number. #}

{% macro fingerprint(spec, slices) %}
  {#-
    A whole number of 28 bits (of the md5) for a row's key, outcome and slices. A sum over rows is exact in a double up to 33
    million rows, whatever their order, and changes when a row is added, lost or changed, or two swap what they say.
  -#}
  {%- set texts = ['predictions.entity', 'cast(predictions.time as ' ~ dbt.type_string() ~ ')'] -%}
  {%- for column in [spec.target] + slices -%}
    {%- do texts.append('cast(facts.' ~ mlbridge.quoted(column) ~ ' as ' ~ dbt.type_string() ~ ')') -%}
  {%- endfor -%}
  {%- set parts = [] -%}
  {%- for text in texts -%}{%- do parts.extend(['coalesce(' ~ text ~ ", ' ')", "'|'"]) -%}{%- endfor -%}
  {#- Engines write the same double as 90.0 and as 90. -#}
  {%- set said = 'replace(' ~ dbt.concat(parts) ~ ", '.0|', '|')" -%}
  {{ return(adapter.dispatch('whole_number', 'mlbridge')(dbt.hash(said))) }}
{% endmacro %}

{% macro default__whole_number(hash) %}{{ return("cast(cast('x' || substring(" ~ hash ~ ', 1, 7) as bit(28)) as integer)') }}{% endmacro %}

{% macro duckdb__whole_number(hash) %}{{ return("cast('0x' || substring(" ~ hash ~ ', 1, 7) as int)') }}{% endmacro %}

{% macro snowflake__whole_number(hash) %}{{ return('to_number(substring(' ~ hash ~ ", 1, 7), 'XXXXXXX')") }}{% endmacro %}

{% macro bigquery__whole_number(hash) %}{{ return("cast(concat('0x', substring(" ~ hash ~ ', 1, 7)) as bigint)') }}{% endmacro %}

{% macro spark__whole_number(hash) %}{{ return('cast(conv(substring(' ~ hash ~ ', 1, 7), 16, 10) as bigint)') }}{% endmacro %}

{% macro redshift__whole_number(hash) %}{{ return('strtol(substring(' ~ hash ~ ', 1, 7), 16)') }}{% endmacro %}
