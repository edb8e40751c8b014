{# Which windows have to be counted again: those that do not rest on what they were counted on. #}

{% macro open_windows(name, rows_column, counted='1 = 1') %}
  {#-
    `{version: [starts]}` of the windows of a model whose rows or outcomes are not those that `this` has counted: more or
    fewer, or others. `rows_column` of `ml_windows` says how many rows there are to count, `counted` which rows of `this`
    are about them.

    A split that keeps recent rows only loses the oldest first. From the day on which it has lost the first rows of a window
    (`rows_left`) what is left of it is not the window any more: it is counted again only where more outcomes are known than
    it was counted with; where none of its rows is there any more, there is nothing to count. A row that is missing in the midst
    of those that are there was deleted.
  -#}
  {%- set size = mlbridge.monitor(name).window -%}
  {%- set kept = adapter.get_columns_in_relation(this) | map(attribute='name') | list if is_incremental() else [] -%}
  {%- set asked -%}
    select windows.version, windows.window_start
    from {{ ref('ml_windows') }} as windows
    {% if is_incremental() -%}
    left join (
      select distinct
        version, window_start, rows_scored, rows_labelled, label_sum,
        {#- a table of before 0.6 does not have them yet #}
        {{ 'rows_there' if 'rows_there' in kept else '-1' }} as rows_there,
        coalesce({{ 'rows_left' if 'rows_left' in kept else 'null' }}, 0) as rows_left
      from {{ this }}
      where model = {{ mlbridge.text(name) }} and {{ counted }} and window_size = '{{ size }}'
    ) as counted
      on windows.version = counted.version and windows.window_start = counted.window_start
    {%- endif %}
    where
      windows.model = {{ mlbridge.text(name) }}
      {%- if is_incremental() %}
      and {{ mlbridge.is_news('windows.' ~ rows_column) }}
      {%- else %}
      and windows.{{ rows_column }} > 0
      {%- endif %}
    order by windows.version, windows.window_start
  {%- endset -%}
  {%- set found = {} -%}
  {%- for row in run_query(asked).rows -%}
    {%- do found.setdefault(row[0] | int, []).append(row[1]) -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{% macro is_news(rows) %}
  {#- Whether a window has another content than `counted` says. -#}
  case
    when counted.version is null then {{ rows }} > 0 and windows.rows_there > 0
    when windows.rows_left > counted.rows_left then windows.rows_labelled > counted.rows_labelled
    else
      windows.rows_scored <> counted.rows_scored
      or windows.rows_labelled <> counted.rows_labelled
      or windows.label_sum <> counted.label_sum
      or windows.rows_left <> counted.rows_left
      or windows.rows_there <> coalesce(counted.rows_there, -1)
  end
{%- endmacro %}

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
