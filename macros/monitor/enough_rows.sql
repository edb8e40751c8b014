{% macro enough_rows() %}
  {#- Rows of a window, of which fewer are neither an alert nor an all-clear; `mlbridge.monitor.ENOUGH_ROWS` is the same. -#}
  {{ return(30) }}
{% endmacro %}

{% macro enough_blocks() %}
  {#- Blocks of a window, of which fewer say too little of how blocks scatter. -#}
  {{ return(10) }}
{% endmacro %}

{% macro enough_events() %}
  {#- Rows outside the commonest class, and rows that a figure rests on, of which fewer are neither an alert nor an all-clear. -#}
  {{ return(10) }}
{% endmacro %}
