{# Figures in sentences. #}

{% macro figure(value) %}
  {#- A number as text for messages: with four decimals, or as the engine writes it from 1e12 on; `unknown` for NULL. -#}
  {{ return('coalesce(case when abs(' ~ value ~ ') < 1e12 then ' ~ mlbridge.four_decimals(value)
    ~ ' else cast(' ~ value ~ ' as ' ~ dbt.type_string() ~ ") end, 'unknown')") }}
{% endmacro %}
