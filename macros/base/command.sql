{# Which dbt command is running. #}

{% macro is_running() %}
  {#- Whether the dbt command builds tables. Others, such as `compile` and `docs generate`, may run before any table exists. -#}
  {{ return(execute and flags.WHICH in ['build', 'run', 'retry']) }}
{% endmacro %}
