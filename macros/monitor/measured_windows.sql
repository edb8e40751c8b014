{# What `ml_realized` keeps of the metrics of a version, and for which slices. #}

{% macro measured_windows(name, version, measured, blocks) %}
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
    windows.label_sum,
    windows.rows_there,
    windows.rows_left,
    measured.baseline,
    measured.skill_se,
    measured.support,
    measured.low,
    measured.high,
    cast(measured.events as bigint) as events,
    {{ mlbridge.text(blocks.unit) }} as block,
    cast({{ 'measured.n' if blocks.unit == 'row' else 'measured.block_count' }} as bigint) as blocks,
    cast({{ mlbridge.freedom('measured.block_count', 'measured.n', blocks.count) }} as bigint) as df
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

{% macro withdrawn_windows(name, version, starts) %}
  {#- That nothing is known any more of windows that had figures once; they are kept so that it is noticed only once. -#}
  {%- set number = 'cast(null as ' ~ mlbridge.type_double() ~ ')' -%}
  select distinct
    {{ mlbridge.text(name) }} as model,
    {{ version }} as version,
    windows.window_size,
    windows.window_start,
    'all' as slice,
    counted.metric,
    {{ number }} as value,
    {{ number }} as se,
    cast(0 as bigint) as n,
    windows.rows_scored,
    windows.rows_labelled,
    windows.label_sum,
    windows.rows_there,
    windows.rows_left,
    {%- for column in ['baseline', 'skill_se', 'support', 'low', 'high'] %}
    {{ number }} as {{ column }},
    {%- endfor %}
    cast(0 as bigint) as events,
    counted.block,
    cast(0 as bigint) as blocks,
    cast(null as bigint) as df
  from {{ ref('ml_windows') }} as windows
  inner join (
    select distinct window_size, window_start, metric, cast(null as {{ dbt.type_string() }}) as block
    from {{ this }}
    where model = {{ mlbridge.text(name) }} and version = {{ version }} and slice = 'all'
  ) as counted
    on windows.window_size = counted.window_size and windows.window_start = counted.window_start
  where
    windows.model = {{ mlbridge.text(name) }}
    and windows.version = {{ version }}
    and windows.rows_labelled = 0
    and windows.window_start in (
      {%- for start in starts %}{{ mlbridge.moment(start) }}{{ ', ' if not loop.last }}{% endfor -%}
    )
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
