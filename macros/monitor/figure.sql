{% macro figure(value) %}
  {#- A number for a sentence: four decimals; one too large for that as the engine writes it. -#}
  {{ return('coalesce(case when abs(' ~ value ~ ') < 1e12 then cast(cast(' ~ value ~ ' as decimal(18, 4)) as '
    ~ dbt.type_string() ~ ') else cast(' ~ value ~ ' as ' ~ dbt.type_string() ~ ") end, 'unknown')") }}
{% endmacro %}
