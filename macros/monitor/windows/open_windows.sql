{# Which windows have to be counted again, because their rows or outcomes changed. #}

{% macro open_windows(name, rows_column, counted='1 = 1') %}
  {#-
    `{version: [starts]}` of the windows of a model whose rows or outcomes differ from those that `this` has counted; the starts as text,
    because a driver may hand moments over on the clock of its own machine.
    `rows_column` of `ml_windows` is the number of rows to count; `counted` selects the rows of `this` to compare with. A
    split that keeps only recent rows loses the oldest first. Once it has lost the first rows of a window (`rows_left`),
    the rest no longer stands for the window: it is counted again only if more outcomes are known than it was counted
    with, and not at all without any rows. A row that is missing among rows that are there was deleted.
  -#}
  {%- set size = mlbridge.monitor(name).window -%}
  {%- set kept = mlbridge.names_in(this) if is_incremental() else [] -%}
  {%- set query -%}
    select windows.version, cast(windows.window_start as {{ dbt.type_string() }}) as started
    from {{ mlbridge.rows_of(ref('ml_windows')) }} as windows
    {% if is_incremental() -%}
    left join (
      select distinct
        version, window_start, rows_scored, rows_labelled, label_sum,
        {#- a table made before 0.6 does not have these columns yet #}
        {{ 'rows_there' if 'rows_there' in kept else '-1' }} as rows_there,
        coalesce({{ 'rows_left' if 'rows_left' in kept else 'null' }}, 0) as rows_left
      from {{ this }}
      where model = {{ mlbridge.text(name) }} and {{ counted }} and window_size = '{{ size }}'
    ) as counted
      on {{ mlbridge.same('windows', 'counted', 'version, window_start') }}
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
  {%- for row in run_query(query).rows -%}
    {%- do found.setdefault(row[0] | int, []).append(row[1]) -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{% macro is_news(rows) %}
  {#- Whether the rows or outcomes of a window differ from those in `counted`. -#}
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
  {#- The versions whose training period has not been counted yet by windows of the current size. -#}
  {%- set query -%}
    select distinct windows.version
    from {{ mlbridge.rows_of(ref('ml_windows')) }} as windows
    where
      windows.model = {{ mlbridge.text(name) }}
      {%- if is_incremental() %}
      and not exists (
        select 1
        from {{ this }} as counted
        where
          {{ mlbridge.same('counted', 'windows', 'model, version') }}
          and counted.period = 'training'
          and counted.window_size = '{{ mlbridge.monitor(name).window }}'
      )
      {%- endif %}
    order by windows.version
  {%- endset -%}
  {{ return(run_query(query).columns[0].values() | map('int') | list) }}
{% endmacro %}

{% macro moment(value) %}
  {#- A moment (UTC), as the engine writes it as text, as a literal. -#}
  {{ return("cast('" ~ value ~ "' as timestamp)") }}
{% endmacro %}
