{% macro one_span(node, key, found) %}
  {#- A checked duration in hours or minutes, which every engine counts alike; its days may follow the clock change of the session's zone. -#}
  {%- set count, unit = mlbridge.one_duration(node, key, found).split(' ') -%}
  {%- set hours = {'day': 24, 'week': 168}.get(unit.rstrip('s')) -%}
  {{ return(count | int * hours ~ ' hours' if hours else count ~ ' ' ~ unit) }}
{% endmacro %}

{% macro shifted(moment, duration, backwards=false) %}
  {#- The moment that lies a checked duration (`one_duration`) after another one, or before it. -#}
  {%- set count, unit = duration.split(' ') -%}
  {{ return(mlbridge.later(unit.rstrip('s'), '-' ~ count if backwards and count | int else count, moment)) }}
{% endmacro %}
