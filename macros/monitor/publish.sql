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

{% macro published_folder() %}
  {#- The folder beside the file that the package's tables are in; none where they are in memory, on a server, or shut in. -#}
  {%- set node = graph.nodes.get('model.mlbridge.ml_runs', {}) -%}
  {%- set files = run_query(
    "select path from duckdb_databases() where lower(database_name) = lower(" ~ mlbridge.text(node.get('database')) ~ ")"
    ~ " and type = 'duckdb' and path <> '' and not readonly and current_setting('enable_external_access')"
  ).columns[0].values() -%}
  {{ return(files[0] ~ '.published' if files else none) }}
{% endmacro %}

{% macro published_tables() %}
  {#-
    The package's tables and views that are there, by name. Left out is `ml_predictions_latest`, which costs more than all others
    and is in `ml_predictions`, and a view that does not fit what it reads any more, because a build failed before it came to it.
  -#}
  {%- set tables, checks = {}, [] -%}
  {%- for node in graph.nodes.values() if node.package_name == 'mlbridge' and node.resource_type == 'model'
      and node.config.materialized != 'ephemeral' and node.name != 'ml_predictions_latest' -%}
    {%- set table = adapter.get_relation(node.database, node.schema, node.alias) -%}
    {%- if table is not none -%}
      {%- do tables.update({node.name: table}) -%}
      {%- do checks.append('(' ~ mlbridge.text(node.name) ~ ', json_serialize_plan(' ~ mlbridge.text('from ' ~ table) ~ '))') -%}
    {%- endif -%}
  {%- endfor -%}
  {%- if tables -%}
    {%- set broken = run_query(
      "select name, plan ->> 'error_message' from (values " ~ checks | join(', ') ~ ") as checked (name, plan)"
      ~ " where plan ->> 'error_type' in ('binder', 'catalog', 'io')"
    ) -%}
    {%- for name, problem in broken.rows -%}
      {%- do tables.pop(name) -%}
      {%- do log(name ~ ' cannot be read, and is not published: ' ~ problem, info=true) -%}
    {%- endfor -%}
  {%- endif -%}
  {{ return(tables) }}
{% endmacro %}

{% macro next_slot(folder) %}
  {#- The slot that the pointer does not name, and whether the folder is ready. A damaged document is none. -#}
  {%- set documents = modules.re.sub('([*?[])', '[\\1]', folder) ~ '/*.json' -%}
  {%- set slot, format = run_query(
    "select max(document ->> 'slot') filter (where name = 'current.json'),"
    ~ " max(document ->> 'format') filter (where name = 'format0.json')"
    ~ " from (select parse_filename(filename) as name, try(cast(try(decode(content)) as json)) as document"
    ~ " from read_blob(" ~ mlbridge.text(documents) ~ ")) as found"
  ).rows[0] -%}
  {{ return(['b' if slot == 'a' else 'a', format == '1']) }}
{% endmacro %}
