{% macro step() %}
  {#- How the steps of the monitor are materialized: ephemeral, or views if the var `mlbridge_keep_steps` is true, to inspect them. -#}
  {%- set kept = var('mlbridge_keep_steps', false) -%}
  {%- if kept | string | lower not in ['true', 'false'] -%}
    {{ mlbridge.refuse_var('mlbridge_keep_steps', 'true or false', kept) }}
  {%- endif -%}
  {{ return('view' if kept | string | lower == 'true' else 'ephemeral') }}
{% endmacro %}

{% macro is_step(node) %}
  {#- Whether a node of the graph is a step of the monitor, which is no table of the package even if it is kept as a view. -#}
  {{ return(node.package_name == 'mlbridge' and node.name.startswith('int_ml_')) }}
{% endmacro %}

{% macro is_written_into(node) %}
  {#- Whether the graph shows what a node reads in place of the node. -#}
  {{ return(node.config.get('materialized') == 'ephemeral' or mlbridge.is_step(node)) }}
{% endmacro %}
