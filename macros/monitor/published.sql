{# Where DuckDB publishes to, what, and into which slot. #}

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
