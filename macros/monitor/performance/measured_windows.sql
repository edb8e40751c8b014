{# The rows of `ml_realized`: metrics that were measured, and windows whose outcomes were all withdrawn. #}

{% macro measured_windows(name, version, measured, blocks) %}
  {#-
    Metrics with their key, and with the counts of the window at the time (from `ml_windows`), by which a later change is
    noticed.
  -#}
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
    cast({{ mlbridge.freedom('measured.block_count', 'measured.n', blocks.count) }} as bigint) as df,
    measured.optimism,
    measured.skewness
  from (
    {{ measured }}
  ) as measured
  inner join {{ mlbridge.rows_of(ref('ml_windows')) }} as windows
    on
      {{ mlbridge.same_window('windows', 'measured', name, version) }}
  where {{ mlbridge.known_slice('measured.slice', name, version) }}
{% endmacro %}

{% macro withdrawn_windows(name, version, starts) %}
  {#-
    A row with n = 0 for each metric of a window that once had outcomes and has none now. It is kept so that the change is
    noticed only once.
  -#}
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
    cast(null as bigint) as df,
    {{ number }} as optimism,
    {{ number }} as skewness
  from {{ mlbridge.rows_of(ref('ml_windows')) }} as windows
  inner join (
    select distinct window_size, window_start, metric, cast(null as {{ dbt.type_string() }}) as block
    from {{ this }}
    where model = {{ mlbridge.text(name) }} and version = {{ version }} and slice = 'all'
  ) as counted
    on {{ mlbridge.same('windows', 'counted', 'window_size, window_start') }}
  where
    windows.model = {{ mlbridge.text(name) }}
    and windows.version = {{ version }}
    and windows.rows_labelled = 0
    and windows.window_start in (
      {%- for start in starts %}{{ mlbridge.moment(start) }}{{ ', ' if not loop.last }}{% endfor -%}
    )
{% endmacro %}
