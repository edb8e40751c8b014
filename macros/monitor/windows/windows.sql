{# Windows of time: a day, a week from Monday, or a month (UTC), identified by their start. #}

{% macro monitor(name) %}
  {#- The `monitor` part of a model's spec, with defaults. -#}
  {{ return(mlbridge.spec(name).monitor) }}
{% endmacro %}

{% macro window_start(size, moment) %}
  {#- The start of the window that a moment lies in. -#}
  {{ return('cast(' ~ mlbridge.truncated(size, moment) ~ ' as timestamp)') }}
{% endmacro %}

{% macro window_end(size, start) %}
  {#- The first moment after a window; `size` is an SQL expression. -#}
  case {{ size }}
    when 'day' then cast({{ dbt.dateadd('day', 1, start) }} as timestamp)
    when 'week' then cast({{ dbt.dateadd('day', 7, start) }} as timestamp)
    else cast({{ dbt.dateadd('month', 1, start) }} as timestamp)
  end
{%- endmacro %}

{% macro is_new(predictions, versions) %}
  {#- Whether a prediction lies after the training period, so that it may be compared with it. -#}
  ({{ predictions }}.time >= {{ versions }}.holdout_from
    or {{ versions }}.holdout_from is null and {{ predictions }}.time > {{ versions }}.train_to)
{%- endmacro %}

{% macro is_over(window_end) %}
  {#- Whether a window has ended by the clock of the build. -#}
  {{ return(window_end ~ " <= cast('" ~ mlbridge.as_of() ~ "' as timestamp)") }}
{% endmacro %}
