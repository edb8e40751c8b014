{% macro enough_rows() %}
  {#- Rows of a window, of which fewer are neither an alert nor an all-clear; `mlbridge.monitor.ENOUGH_ROWS` is the same. -#}
  {{ return(30) }}
{% endmacro %}
