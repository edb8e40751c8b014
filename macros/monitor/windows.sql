{# Windows of time: a day, a week that begins on a Monday, or a month; named by the moment at which they begin (UTC). #}

{% macro monitor(name) %}
  {#- What the spec of a model says of its monitoring, with defaults. The training node checks it. -#}
  {#- `graph` is empty during the parse. -#}
  {%- set said = ((mlbridge.said(name ~ '_training') if execute else none) or {}).get('monitor') or {} -%}
  {%- set slices = said.get('slices') or [] -%}
  {{ return({
    'window': said.get('window') or 'month',
    'slices': [slices] if slices is string else slices,
    'thresholds': said.get('thresholds') or {},
    'feature_thresholds': said.get('feature_thresholds') or {},
  }) }}
{% endmacro %}

{% macro window_start(size, moment) %}
  {{ return('cast(' ~ adapter.dispatch('truncated', 'mlbridge')(size, moment) ~ ' as timestamp)') }}
{% endmacro %}

{% macro default__truncated(size, moment) %}
  {{ return("date_trunc('" ~ size ~ "', " ~ moment ~ ')') }}
{% endmacro %}

{% macro bigquery__truncated(size, moment) %}
  {#- BigQuery's WEEK begins on a Sunday. -#}
  {{ return('timestamp_trunc(' ~ moment ~ ', ' ~ ('isoweek' if size == 'week' else size) ~ ')') }}
{% endmacro %}

{% macro window_end(size, start) %}
  {#- The first moment after a window; `size` is an SQL expression. -#}
  case {{ size }}
    when 'day' then cast({{ dbt.dateadd('day', 1, start) }} as timestamp)
    when 'week' then cast({{ dbt.dateadd('day', 7, start) }} as timestamp)
    else cast({{ dbt.dateadd('month', 1, start) }} as timestamp)
  end
{%- endmacro %}

{% macro monitored(predictions, versions) %}
  {#-
    Whether a prediction counts as one of a row that the version met after its training. What lies before `holdout_from`
    was predicted because its outcome was not known: such rows alone say nothing of a whole window.
  -#}
  ({{ versions }}.holdout_from is null or {{ predictions }}.time >= {{ versions }}.holdout_from)
{%- endmacro %}

{% macro is_new(predictions, versions) %}
  {#- Whether it lies after the training period, so that the rows of its window are no sample of that period's. -#}
  ({{ predictions }}.time >= {{ versions }}.holdout_from
    or {{ versions }}.holdout_from is null and {{ predictions }}.time > {{ versions }}.train_to)
{%- endmacro %}
