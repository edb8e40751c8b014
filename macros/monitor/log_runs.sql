{% macro log_runs(results) %}
  {#- At the end of each dbt command: one row in `ml_runs` for every node of the branch that it ran. -#}
  {%- if execute and flags.WHICH in ['build', 'run', 'retry'] -%}
    {%- set table = mlbridge.relation_of('ml_runs', 'mlbridge') -%}
    {%- set rows = [] -%}
    {%- for result in results if result.node.resource_type == 'model' -%}
      {%- set stage = mlbridge.stage_of(result.node) -%}
      {%- if stage is not none -%}{%- do rows.append(mlbridge.run_row(result, stage)) -%}{%- endif -%}
    {%- endfor -%}
    {%- if table is not none and rows -%}
      insert into {{ table }} (
        invocation_id, node, model, stage, status, started_at, seconds, rows, rows_per_second, as_of, message
      )
      values
      {{ rows | join(',\n') }}
    {%- endif -%}
  {%- endif -%}
{% endmacro %}

{% macro relation_of(name, package) %}
  {#- Where a model's table is, or none when it has not been built. -#}
  {%- set nodes = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model')
      | selectattr('name', 'equalto', name) | selectattr('package_name', 'equalto', package) | list -%}
  {%- if not nodes -%}{{ return(none) }}{%- endif -%}
  {{ return(adapter.get_relation(nodes[0].database, nodes[0].schema, nodes[0].alias)) }}
{% endmacro %}

{% macro stage_of(node) %}
  {#- `[model, stage]` of a node of the branch, none for a node of the host. -#}
  {%- if node.package_name == 'mlbridge' -%}{{ return([none, node.name]) }}{%- endif -%}
  {%- for name in mlbridge.models() -%}
    {%- for stage in ['features', 'split', 'training', 'predictions'] if node.name == name ~ '_' ~ stage -%}
      {{ return([name, stage]) }}
    {%- endfor -%}
  {%- endfor -%}
  {{ return(none) }}
{% endmacro %}

{% macro run_row(result, stage) %}
  {%- set node = result.node -%}
  {%- set done = result.status | string == 'success' -%}
  {%- set rows = (result.adapter_response or {}).get('rows_affected') if done else none -%}
  {%- if done and rows is none and node.config.materialized == 'table' -%}
    {%- set built = adapter.get_relation(node.database, node.schema, node.alias) -%}
    {%- set rows = run_query('select count(*) from ' ~ built).columns[0].values()[0] | int -%}
  {%- endif -%}
  {%- set started = (result.timing | selectattr('name', 'equalto', 'execute') | map(attribute='started_at') | list + [none])[0] -%}
  {%- set seconds = result.execution_time -%}
  {%- set values = [
    mlbridge.text(invocation_id), mlbridge.text(node.name), mlbridge.text(stage[0]), mlbridge.text(stage[1]),
    mlbridge.text(result.status),
    'null' if started is none else "cast('" ~ started.strftime('%Y-%m-%d %H:%M:%S.%f') ~ "' as timestamp)",
    seconds, 'null' if rows is none else rows,
    'null' if rows is none or not seconds else rows / seconds,
    "cast('" ~ mlbridge.as_of() ~ "' as timestamp)",
    mlbridge.text(none if done else result.message),
  ] -%}
  {{ return('(' ~ values | join(', ') ~ ')') }}
{% endmacro %}

{% macro text(value) %}
  {{ return('null' if value is none else "'" ~ dbt.escape_single_quotes(value | string) ~ "'") }}
{% endmacro %}
