{% macro enough_rows() %}
  {#- With fewer rows in a window a figure is not judged; `mlbridge.monitor.ENOUGH_ROWS` is the same. -#}
  {{ return(30) }}
{% endmacro %}

{% macro enough_blocks() %}
  {#- With fewer blocks in a window the variance between them is not used. -#}
  {{ return(10) }}
{% endmacro %}

{% macro enough_events() %}
  {#- With fewer rows outside the most frequent class, or fewer rows that a figure rests on, it is not judged. -#}
  {{ return(10) }}
{% endmacro %}
