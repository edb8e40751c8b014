{# What dbt-snowflake 1.9.2 defines, of what the package calls: dbt/include/snowflake/macros/utils/escape_single_quotes.sql #}

{% macro snowflake__escape_single_quotes(expression) -%}
{{ expression | replace("'", "\\'") }}
{%- endmacro %}
