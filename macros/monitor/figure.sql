{# Figures in sentences. #}

{% macro figure(value) %}
  {#- A number for a sentence: four decimals; one too large for that as the engine writes it. -#}
  {{ return('coalesce(case when abs(' ~ value ~ ') < 1e12 then ' ~ adapter.dispatch('four_decimals', 'mlbridge')(value)
    ~ ' else cast(' ~ value ~ ' as ' ~ dbt.type_string() ~ ") end, 'unknown')") }}
{% endmacro %}

{% macro default__four_decimals(value) %}
  {{ return('cast(cast(' ~ value ~ ' as decimal(18, 4)) as ' ~ dbt.type_string() ~ ')') }}
{% endmacro %}

{% macro bigquery__four_decimals(value) %}{{ return("format('%.4f', " ~ value ~ ')') }}{% endmacro %}

{% macro joined(text, order) %}
  {#- The texts of a group with commas between them; NULLs are left out. -#}
  {{ return(adapter.dispatch('joined', 'mlbridge')(text, order)) }}
{% endmacro %}

{% macro default__joined(text, order) %}{{ return(dbt.listagg(text, "', '", 'order by ' ~ order)) }}{% endmacro %}

{% macro spark__joined(text, order) %}
  {#- dbt's listagg has no order on Spark; by itself the text is at least in the same one each time. -#}
  {{ return('array_join(sort_array(collect_list(' ~ text ~ ")), ', ')") }}
{% endmacro %}
