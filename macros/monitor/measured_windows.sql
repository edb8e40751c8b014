{# What `ml_realized` keeps of the metrics of a version, and for which slices. #}

{% macro measured_windows(name, version, measured) %}
  {#- Metrics with their key, and with what the window held when they were measured. -#}
  select
    {{ mlbridge.text(name) }} as model,
    {{ version }} as version,
    windows.window_size,
    measured.window_start,
    measured.slice,
    measured.metric,
    measured.value,
    measured.se,
    cast(measured.n as bigint) as n,
    windows.rows_scored,
    windows.rows_labelled,
    windows.label_sum
  from (
    {{ measured }}
  ) as measured
  inner join {{ ref('ml_windows') }} as windows
    on
      windows.model = {{ mlbridge.text(name) }}
      and windows.version = {{ version }}
      and windows.window_start = measured.window_start
  where {{ mlbridge.known_slice('measured.slice', name, version) }}
{% endmacro %}

{% macro known_slice(slice, name, version) %}
  {#- `all`, and the slices that the training has measured, of which there are not many. -#}
  (
    {{ slice }} = 'all'
    or {{ slice }} in (
      select known.slice
      from {{ ref('ml_metrics') }} as known
      where known.model = {{ mlbridge.text(name) }} and known.version = {{ version }}
    )
  )
{%- endmacro %}
