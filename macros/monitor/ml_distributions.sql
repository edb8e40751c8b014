{# What `ml_distributions` selects: for each version with something new, its windows counted by bin. #}

{% macro distributions(name) %}
  {#- The selects for one model, none when it has nothing new. -#}
  {%- set refs = {'predictions': ref(name ~ '_predictions'), 'split': ref(name ~ '_split'), 'versions': ref('ml_versions')} -%}
  {%- set training = ref(name ~ '_training') -%}
  {%- if not execute -%}{{ return([]) }}{%- endif -%}
  {%- set columns = {} -%}
  {%- for column in adapter.get_columns_in_relation(refs.split) -%}{%- do columns.update({column.name: column}) -%}{%- endfor -%}
  {%- do columns.update({'ml_target': columns[mlbridge.spec(name).target]}) -%}
  {%- set selects, open = [], mlbridge.open_windows(name, 'rows_new', "period = 'scored'") -%}
  {%- for version in mlbridge.unknown_trainings(name) -%}
    {%- set documents = mlbridge.documents(name, version, training, columns) -%}
    {%- set source = mlbridge.training_source(name, documents, columns, refs) -%}
    {%- set counted = mlbridge.count_bins(source, documents, mlbridge.feature_entries(documents)) -%}
    {%- do selects.append(mlbridge.counted_windows(name, version, 'training', counted)) -%}
  {%- endfor -%}
  {%- for version, starts in open.items() -%}
    {%- set documents = mlbridge.documents(name, version, training, columns) -%}
    {%- set source = mlbridge.scored_source(name, documents, columns, refs, starts) -%}
    {%- set entries = mlbridge.feature_entries(documents) + mlbridge.scored_entries(documents, mlbridge.monitor(name).slices) -%}
    {%- set counted = mlbridge.count_bins(source, documents, entries) -%}
    {%- do selects.append(mlbridge.counted_windows(name, version, 'scored', counted)) -%}
    {%- if is_incremental() -%}{%- do selects.append(mlbridge.emptied_windows(name, version, starts)) -%}{%- endif -%}
  {%- endfor -%}
  {{ return(selects) }}
{% endmacro %}

{% macro counted_windows(name, version, period, counted) %}
  {#- Counts with their key, and with what the window held when they were made. -#}
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
    windows.rows_left
  from (
    {{ counted }}
  ) as counted
  left join {{ ref('ml_windows') }} as windows
    on
      windows.model = {{ mlbridge.text(name) }}
      and windows.version = {{ version }}
      and windows.window_start = counted.window_start
      and '{{ period }}' = 'scored'
  where {{ mlbridge.known_slice('counted.slice', name, version) }}
{% endmacro %}

{% macro emptied_windows(name, version, starts) %}
  {#-
    That all rows of windows that were counted once have been deleted: a row each, of a feature that no profile has, in place of
    the counts; it is kept so that this is noticed only once.
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
    windows.rows_left
  from {{ ref('ml_windows') }} as windows
  where
    windows.model = {{ mlbridge.text(name) }}
    and windows.version = {{ version }}
    and windows.rows_there = 0
    and windows.window_start in (
      {%- for start in starts %}{{ mlbridge.moment(start) }}{{ ', ' if not loop.last }}{% endfor -%}
    )
{% endmacro %}
