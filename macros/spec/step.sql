{# How the steps of the monitor are materialized. #}

{% macro step() %}
  {#- As the engine plans them best; instead of ephemeral, views if the var `mlbridge_keep_steps` is true, to inspect them. -#}
  {%- set kept = var('mlbridge_keep_steps', false) -%}
  {%- if kept | string | lower not in ['true', 'false'] -%}
    {{ mlbridge.refuse_var('mlbridge_keep_steps', 'true or false', kept) }}
  {%- endif -%}
  {%- set best = mlbridge.step_materialization() -%}
  {{ return('view' if best == 'ephemeral' and kept | string | lower == 'true' else best) }}
{% endmacro %}
