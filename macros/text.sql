{# Texts as literals, whatever is in them. #}

{% macro text(value) %}
  {#- A None is NULL. -#}
  {{ return('null' if value is none else adapter.dispatch('text_literal', 'mlbridge')(value | string)) }}
{% endmacro %}

{% macro default__text_literal(value) %}{{ return("'" ~ dbt.escape_single_quotes(value) ~ "'") }}{% endmacro %}

{% macro redshift__text_literal(value) %}
  {#- A backslash begins an escape. -#}
  {{ return("'" ~ dbt.escape_single_quotes(value | replace('\\', '\\\\')) ~ "'") }}
{% endmacro %}

{% macro bigquery__text_literal(value) %}
  {#- Nor may a line end within a literal. -#}
  {%- set escaped = value | replace('\\', '\\\\') | replace("'", "\\'") | replace('\n', '\\n') | replace('\r', '\\r') -%}
  {{ return("'" ~ escaped ~ "'") }}
{% endmacro %}

{% macro snowflake__text_literal(value) %}{{ return(mlbridge.bigquery__text_literal(value)) }}{% endmacro %}

{% macro spark__text_literal(value) %}{{ return(mlbridge.bigquery__text_literal(value)) }}{% endmacro %}
