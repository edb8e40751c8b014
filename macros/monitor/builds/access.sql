{# Who may read what the branch reads and what it writes, as far as dbt's graph knows it. #}

{% macro access_documents() %}
  {#-
    What the graph says, as `as_documents` gives rows, of three kinds: `node` is a node of the branch, or one of the host's that a node of
    the branch reads; `input` says that the first descends from the second (`input`); `grant` is what the project's `grants` give.
  -#}
  {%- set every = dict(graph.nodes, **graph.sources) if execute else {} -%}
  {%- set lineage = mlbridge.lineage() if execute else {} -%}
  {%- set inputs, nodes, rows = mlbridge.inputs_by_output(lineage), [], [] -%}
  {%- for id, found in inputs.items() -%}
    {%- for input in found -%}
      {%- do rows.append({'kind': 'input', 'node': lineage[id].name, 'input': lineage[input].name}) -%}
    {%- endfor -%}
    {%- for each in [id] + found if each not in nodes -%}{%- do nodes.append(each) -%}{%- endfor -%}
  {%- endfor -%}
  {%- for id in nodes -%}
    {%- set node, entry = every[id], lineage[id] -%}
    {%- do rows.append({
      'kind': 'node', 'node': entry.name, 'model': entry.model, 'stage': entry.stage, 'database_name': node.database,
      'schema_name': node.schema, 'relation_name': node.get('alias') or node.identifier,
    }) -%}
    {%- for privilege, roles in (node.config.get('grants') or {}).items() -%}
      {%- for role in ([roles] if roles is string else roles) -%}
        {%- do rows.append({
          'kind': 'grant', 'node': entry.name, 'privilege': privilege | lower, 'grantee': mlbridge.role_name(role),
        }) -%}
      {%- endfor -%}
    {%- endfor -%}
  {%- endfor -%}
  {{ return(mlbridge.as_documents(rows)) }}
{% endmacro %}

{% macro inputs_by_output(lineage) %}
  {#- By the unique id of each node of the branch, those of the host's nodes and sources from which a path within the branch leads to it. -#}
  {%- set found = {} -%}
  {%- for id, node in lineage.items() if node.stage not in ['source', 'host'] -%}
    {%- set seen, inputs = [], [] -%}
    {%- for each in [id] recursive -%}{#- upstream -#}
      {%- if each not in seen -%}
        {%- do seen.append(each) -%}
        {%- if lineage[each].stage in ['source', 'host'] -%}{%- do inputs.append(each) -%}{%- else -%}{{ loop(lineage[each].parents) }}{%- endif -%}
      {%- endif -%}
    {%- endfor -%}
    {%- do found.update({id: inputs}) -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{% macro observed_grants_of_nodes() %}
  {#- `node`, `grantee`, `privilege` by the warehouse's catalog, of the nodes in the CTE `nodes`; no rows where no catalog is read. -#}
  {%- set observed = mlbridge.observed_grants() -%}
  {%- if observed is none -%}
    select node, node as grantee, node as privilege from nodes where 1 = 0
  {%- else -%}
    select distinct nodes.node, granted.grantee, granted.privilege
    from nodes
    inner join ({{ observed }}) as granted
      on nodes.schema_name = granted.schema_name and nodes.relation_name = granted.relation_name
    where nodes.database_name = {{ mlbridge.text(target.database) }}
  {%- endif -%}
{% endmacro %}
