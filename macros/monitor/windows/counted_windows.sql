{# What `ml_distributions` keeps of a window: its counts, or that nothing is left to count. #}

{% macro counted_windows(name, version, period, counted) %}
  {#-
    Counts with their key, and with the counts of the window at the time (from `ml_windows`), by which a later change is
    noticed.
  -#}
  select
    {{ mlbridge.text(name) }} as model,
    {{ version }} as version,
    '{{ period }}' as period,
    '{{ mlbridge.monitor(name).window }}' as window_size,
    counted.window_start,
    counted.feature,
    counted.slice,
    cast(counted.bin as bigint) as bin,
    counted.n,
    counted.overshoot,
    counted.companions,
    counted.companion_sum,
    counted.companion_square,
    windows.rows_scored,
    windows.rows_new,
    windows.rows_labelled,
    windows.label_sum,
    counted.value_sum,
    windows.rows_there,
    windows.rows_left,
    counted.outcomes,
    counted.outcome_sum
  from (
    {{ counted }}
  ) as counted
  left join {{ mlbridge.rows_of(ref('ml_windows')) }} as windows
    on
      {{ mlbridge.same_window('windows', 'counted', name, version) }}
      and '{{ period }}' = 'scored'
  where {{ mlbridge.known_slice('counted.slice', name, version) }}
{% endmacro %}

{% macro emptied_windows(name, version, starts) %}
  {#-
    One row for each window that was counted once and whose rows have all been deleted since, with a feature that no
    profile has. It is kept so that the change is noticed only once.
  -#}
  {%- set number = 'cast(null as ' ~ mlbridge.type_double() ~ ')' -%}
  select
    {{ mlbridge.text(name) }} as model,
    {{ version }} as version,
    'scored' as period,
    windows.window_size,
    windows.window_start,
    'ml_nothing' as feature,
    'all' as slice,
    cast(-1 as bigint) as bin,
    cast(0 as bigint) as n,
    {{ number }} as overshoot,
    cast(0 as bigint) as companions,
    {{ number }} as companion_sum,
    {{ number }} as companion_square,
    windows.rows_scored,
    windows.rows_new,
    windows.rows_labelled,
    windows.label_sum,
    {{ number }} as value_sum,
    windows.rows_there,
    windows.rows_left,
    cast(0 as bigint) as outcomes,
    {{ number }} as outcome_sum
  from {{ mlbridge.rows_of(ref('ml_windows')) }} as windows
  where
    windows.model = {{ mlbridge.text(name) }}
    and windows.version = {{ version }}
    and windows.rows_there = 0
    and windows.window_start in (
      {%- for start in starts %}{{ mlbridge.moment(start) }}{{ ', ' if not loop.last }}{% endfor -%}
    )
{% endmacro %}
