{# Which windows have to be counted again: those that have gained rows or outcomes since. #}

{% macro open_windows(name, rows_column, counted='1 = 1') %}
  {#-
    `{version: [starts]}` of the windows of a model that have more rows or outcomes than `this` has counted, or as many
    outcomes with another sum. Fewer are no news: a split that keeps recent rows only loses what was counted long ago. `rows_column` of `ml_windows` says how many rows there are to count, `counted` which
    rows of `this` are about them.
  -#}
  {%- set size = mlbridge.monitor(name).window -%}
  {%- set asked -%}
    select windows.version, windows.window_start
    from {{ ref('ml_windows') }} as windows
    {% if is_incremental() -%}
    left join (
      select distinct version, window_start, rows_scored, rows_labelled, label_sum
      from {{ this }}
      where model = {{ mlbridge.text(name) }} and {{ counted }} and window_size = '{{ size }}'
    ) as counted
      on windows.version = counted.version
      and windows.window_start = counted.window_start
      and windows.rows_scored <= counted.rows_scored
      and (
        windows.rows_labelled < counted.rows_labelled
        or windows.rows_labelled = counted.rows_labelled
        and abs(windows.label_sum - counted.label_sum) <= 1e-9 * (1 + abs(counted.label_sum))
      )
    {%- endif %}
    where
      windows.model = {{ mlbridge.text(name) }}
      and windows.{{ rows_column }} > 0
      {%- if is_incremental() %}
      and counted.version is null
      {%- endif %}
    order by windows.version, windows.window_start
  {%- endset -%}
  {%- set found = {} -%}
  {%- for row in run_query(asked).rows -%}
    {%- do found.setdefault(row[0] | int, []).append(row[1]) -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{% macro unknown_trainings(name) %}
  {#- The versions whose training period has not been counted by windows of today's size. -#}
  {%- set asked -%}
    select distinct windows.version
    from {{ ref('ml_windows') }} as windows
    where
      windows.model = {{ mlbridge.text(name) }}
      {%- if is_incremental() %}
      and not exists (
        select 1
        from {{ this }} as counted
        where
          counted.model = windows.model
          and counted.version = windows.version
          and counted.period = 'training'
          and counted.window_size = '{{ mlbridge.monitor(name).window }}'
      )
      {%- endif %}
    order by windows.version
  {%- endset -%}
  {{ return(run_query(asked).columns[0].values() | map('int') | list) }}
{% endmacro %}

{% macro moment(value) %}
  {#- A Python datetime as a literal (UTC). -#}
  {{ return("cast('" ~ value.strftime('%Y-%m-%d %H:%M:%S.%f') ~ "' as timestamp)") }}
{% endmacro %}
