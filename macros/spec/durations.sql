{% macro shifted(moment, duration, backwards=false) %}
  {#- The moment that lies a checked duration (`one_duration`) after another one, or before it. -#}
  {%- set count, unit = duration.split(' ') -%}
  {{ return(mlbridge.later(unit.rstrip('s'), '-' ~ count if backwards and count | int else count, moment)) }}
{% endmacro %}
