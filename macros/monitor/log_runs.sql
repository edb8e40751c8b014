{% macro log_runs(results) %}
  {#- At the end of each dbt command: one row in `ml_runs` for every node of the branch that it ran. -#}
  {%- if execute and flags.WHICH in ['build', 'run', 'retry'] -%}
    {%- set table = mlbridge.relation_of('ml_runs', 'mlbridge') -%}
    {%- set branch = mlbridge.branch() -%}
    {%- set rows = [] -%}
    {%- for result in results if result.node.unique_id in branch -%}
      {%- do rows.append(mlbridge.run_row(result, branch[result.node.unique_id])) -%}
    {%- endfor -%}
    {%- if table is not none and rows -%}
      insert into {{ table }} (
        invocation_id, node, model, stage, status, started_at, seconds, {{ mlbridge.named('rows') }}, rows_per_second, as_of, message
      )
      values
      {{ rows | join(',\n') }}
    {%- endif -%}
  {%- endif -%}
{% endmacro %}

{% macro relation_of(name, package) %}
  {#- Where a model's table is, or none when it has not been built; `package` none finds it in any. -#}
  {%- set nodes = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model')
      | selectattr('name', 'equalto', name) | list -%}
  {%- if package is not none -%}{%- set nodes = nodes | selectattr('package_name', 'equalto', package) | list -%}{%- endif -%}
  {%- if not nodes -%}{{ return(none) }}{%- endif -%}
  {{ return(adapter.get_relation(nodes[0].database, nodes[0].schema, nodes[0].alias)) }}
{% endmacro %}

{% macro branch() %}
  {#-
    `[model, stage]` of each node of the branch, by the node's id. What leads to a model's features and has the model's
    name before its own, such as `churn_visits` before `churn_features`, belongs to the features; the rest is the host.
  -#}
  {%- set stages = {'features': 'features', 'split': 'split', 'training': 'train', 'predictions': 'score'} -%}
  {%- set nodes = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') | list -%}
  {%- set found = {} -%}
  {%- for node in nodes if node.package_name == 'mlbridge' -%}
    {%- do found.update({node.unique_id: [none, node.fqn[1]]}) -%}
  {%- endfor -%}
  {%- for name in mlbridge.models() -%}
    {%- for node in nodes if node.name.startswith(name ~ '_') and node.name[name | length + 1:] in stages -%}
      {%- do found.update({node.unique_id: [name, stages[node.name[name | length + 1:]]]}) -%}
    {%- endfor -%}
  {%- endfor -%}
  {%- set ahead = found.items() | selectattr('1.1', 'equalto', 'features') | map('first') | list -%}
  {%- for id in ahead -%}{#- the list grows as it is walked -#}
    {%- set name = found[id][0] -%}
    {%- for parent in graph.nodes[id].depends_on.nodes if parent.startswith('model.') and parent not in found
        and graph.nodes[parent].name.startswith(name ~ '_') -%}
      {%- do found.update({parent: [name, 'features']}) -%}
      {%- do ahead.append(parent) -%}
    {%- endfor -%}
  {%- endfor -%}
  {{ return(found) }}
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
