{# Empty tables of the right types, where a selection of dbt leaves out what is read. #}

{% macro no_rows(node=none) %}
  {#- A select of the columns of a node's contract, by default the calling model's, that gives no row. Some engines allow no
      WHERE without a FROM. -#}
  {%- set types = mlbridge.contract_types() -%}
  {%- set columns = (node or model).columns.values() -%}
select *
from (
    select
        {%- for column in columns %}
        cast(null as {{ types.get(column.data_type, column.data_type) }}) as {{ mlbridge.named(column.name) }}{{ ',' if not loop.last }}
        {%- endfor %}
) as nothing
where 1 = 0
{%- endmacro %}

{% macro stand_in_for_missing() %}
  {#-
    At the start of each dbt command: makes an empty table for each one of the package that a selected node reads and that is neither
    selected nor there, as after `--select +<model>_predictions+` in a new schema. The next build that selects it puts the real one in
    its place. It is done before any node runs, because two nodes that run at the same time must not make the same table.
  -#}
  {%- set ours = graph.nodes.values() | selectattr('package_name', 'equalto', 'mlbridge') | selectattr('resource_type', 'in', ['model', 'seed'])
      | list if mlbridge.is_running() else [] -%}
  {%- set readers = ours | selectattr('unique_id', 'in', selected_resources) | selectattr('resource_type', 'equalto', 'model') | list -%}
  {#- Only a plain `dbt build` leaves nothing out. After `dbt run`, which runs no seeds, --select, --exclude and `dbt retry` all readers are walked. -#}
  {%- set readers = readers if ours | rejectattr('unique_id', 'in', selected_resources) | list else [] -%}
  {%- for reader in readers -%}
    {%- for node in mlbridge.tables_read(reader) if node.unique_id not in selected_resources -%}
      {%- set table = api.Relation.create(node.database, node.schema, node.alias, type='table') -%}
      {%- if not node.get('defer_relation') and load_relation(table) is none -%}
        {%- if not adapter.check_schema_exists(node.database, node.schema) -%}{%- do adapter.create_schema(table) -%}{%- endif -%}
        {%- do run_query('create table if not exists ' ~ table ~ ' as ' ~ mlbridge.no_rows(node)) -%}
        {%- do mlbridge.end_transaction() -%}
        {%- do adapter.cache_added(table) -%}
        {%- do exceptions.warn(reader.name ~ ' reads ' ~ node.name ~ ', which has not been built here yet, so it stays empty: `dbt build '
          ~ '--select package:mlbridge`.') -%}
      {%- endif -%}
    {%- endfor -%}
  {%- endfor -%}
{% endmacro %}

{% macro tables_read(node) %}
  {#- The package's tables and seeds that a node reads, also through steps that are written into it. -#}
  {%- set tables = [] -%}
  {%- for id in node.depends_on.nodes -%}
    {%- set parent = graph.nodes[id] -%}
    {%- if parent.config.materialized == 'ephemeral' -%}
      {%- do tables.extend(mlbridge.tables_read(parent)) -%}
    {%- elif parent.package_name == 'mlbridge' -%}
      {%- do tables.append(parent) -%}
    {%- endif -%}
  {%- endfor -%}
  {{ return(tables) }}
{% endmacro %}
