{% macro log_runs(results) %}
  {#-
    At the end of each dbt command: one row in `ml_runs` for every node of the branch, and of what leads to it, that the
    command ran. A table made by an earlier mlbridge gets the columns that it has.
  -#}
  {%- set table = mlbridge.relation_of('ml_runs', 'mlbridge') if execute and flags.WHICH in ['build', 'run', 'retry'] else none -%}
  {%- if table is not none -%}
    {%- set lineage, tests = mlbridge.lineage(), mlbridge.tests_by_node(results) -%}
    {%- set there = run_query('select * from ' ~ table ~ ' where 1 = 0').column_names | map('lower') | list -%}
    {%- set rows = [] -%}
    {%- for result in results if result.node.unique_id in lineage -%}
      {%- set id = result.node.unique_id -%}
      {%- do rows.append(mlbridge.run_row(result, lineage[id], tests.get(id, {}), there)) -%}
    {%- endfor -%}
    {%- if rows -%}
      {%- do mlbridge.end_transaction() -%}
      insert into {{ table }} (
        {%- for name in rows[0] %}{{ mlbridge.named(name) }}{{ ', ' if not loop.last }}{% endfor -%}
      )
      values
      {%- for row in rows %}
      ({{ row.values() | join(', ') }}){{ ',' if not loop.last }}
      {%- endfor -%}
    {%- endif -%}
  {%- endif -%}
{% endmacro %}

{% macro end_transaction() %}
  {#- So that what a hook does is kept: asking the catalog may have begun a transaction, which dbt rolls back in the end. -#}
  {%- call statement('begin', auto_begin=True) -%} select 1 {%- endcall -%}
  {%- do adapter.commit() -%}
{% endmacro %}

{% macro relation_of(name, package) %}
  {#- Where a model's table is, or none when it has not been built; `package` none finds it in any. -#}
  {%- set nodes = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model')
      | selectattr('name', 'equalto', name) | list -%}
  {%- if package is not none -%}{%- set nodes = nodes | selectattr('package_name', 'equalto', package) | list -%}{%- endif -%}
  {%- if not nodes -%}{{ return(none) }}{%- endif -%}
  {{ return(adapter.get_relation(nodes[0].database, nodes[0].schema, nodes[0].alias)) }}
{% endmacro %}
