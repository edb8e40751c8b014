{#
  What a dbt command leaves for the monitor: the package's tables as Parquet in a folder beside the warehouse's file, where they
  can be read while a build holds it. There are two slots of files and a pointer, `current.json`; a build writes the
  slot that the pointer does not name, and replaces the pointer last.
#}

{% macro publish() %}
  {#- At the end of each dbt command, after `log_runs`. -#}
  {%- if execute and flags.WHICH in ['build', 'run', 'retry'] and not flags.EMPTY -%}
    {{ adapter.dispatch('published', 'mlbridge')(mlbridge.as_of()) }}
  {%- endif -%}
{% endmacro %}

{% macro publish_by_hand() %}
  {#- What `mlbridge publish` runs. The clock of what is there is that of the last command that was logged. -#}
  {%- set runs = mlbridge.relation_of('ml_runs', 'mlbridge') -%}
  {%- set last = run_query(
    'select cast(as_of as ' ~ dbt.type_string() ~ ') from ' ~ runs ~ ' where started_at is not null order by started_at desc limit 1'
  ).rows if runs is not none else [] -%}
  {%- set statements = adapter.dispatch('published', 'mlbridge')(last[0][0] if last else mlbridge.as_of()) -%}
  {%- if statements | trim -%}{%- do run_query(statements) -%}{%- endif -%}
{% endmacro %}

{% macro default__published(as_of) %}{#- The tables of a server can be read while it builds. -#}{% endmacro %}

{% macro duckdb__published(as_of) %}
  {#- The statements that publish; none where the warehouse is no file, or has none of the tables yet. -#}
  {%- set folder = mlbridge.published_folder() -%}
  {%- set tables = mlbridge.published_tables() if folder is not none else {} -%}
  {%- if tables -%}
    {%- set slot, is_ready = mlbridge.next_slot(folder) -%}
    {%- do mlbridge.end_transaction() -%}
    {%- if not is_ready -%}
copy (select 1 as format) to {{ mlbridge.text(folder) }}
(format json, per_thread_output true, filename_pattern 'format', overwrite_or_ignore true);
    {%- endif -%}
    {%- for name, table in tables.items() %}
copy (from {{ table }}) to {{ mlbridge.text(folder ~ '/' ~ slot ~ '.' ~ name ~ '.parquet') }}
(format parquet, parquet_version v2, use_tmp_file true);
    {%- endfor %}
copy (
    select
        {{ mlbridge.text(invocation_id) }} as build,
        {{ mlbridge.text(slot) }} as slot,
        make_timestamp(epoch_us(current_timestamp)) as published_at,
        cast({{ mlbridge.text(as_of) }} as timestamp) as as_of,
        {{ mlbridge.text(mlbridge.version()) }} as version,
        [{% for name in tables %}{{ mlbridge.text(name) }}{{ ', ' if not loop.last }}{% endfor %}] as tables
) to {{ mlbridge.text(folder ~ '/current.json') }} (format json, use_tmp_file true)
  {%- endif -%}
{% endmacro %}
