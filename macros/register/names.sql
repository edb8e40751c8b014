{# Names that the project uses already: said before anything is built. #}

{% macro check_names() %}
  {#- At the start of each dbt command, about the package's nodes that it selects. -#}
  {%- set ours = graph.nodes.values() | selectattr('package_name', 'equalto', 'mlbridge') | list + mlbridge.scores_nodes().values() | list
      if mlbridge.is_running() else [] -%}
  {%- set nodes, relations = [], [] -%}
  {%- for node in ours if node.unique_id in selected_resources -%}
    {%- do mlbridge.check_what_is_read(node) -%}
    {%- set is_built = node.resource_type in ['model', 'seed'] and node.config.materialized != 'ephemeral' -%}
    {%- set found = adapter.get_relation(node.database, node.schema, node.alias) if is_built else none -%}
    {%- if found is not none -%}
      {%- do nodes.append(node) -%}
      {%- do relations.append(found) -%}
    {%- endif -%}
  {%- endfor -%}
  {%- for there in (mlbridge.column_names(relations) if relations else []) -%}
    {%- set node, found = nodes[loop.index0], relations[loop.index0] -%}
    {%- set lacking = mlbridge.columns_lacking(node, there) -%}
    {%- if lacking -%}
      {%- set kind, path = node.resource_type ~ 's', node.fqn | join(': {') -%}
      {%- set elsewhere = 'give the tables of mlbridge a schema of their own in dbt_project.yml, `' ~ kind
        ~ ': {mlbridge: {+schema: ml}}`; or only this one' if node.package_name == 'mlbridge' else 'give this one in dbt_project.yml' -%}
      {{ mlbridge.refuse(node.name, found ~ " is there already, and is not mlbridge's: it lacks " ~ mlbridge.enumerated(lacking)
        ~ '. Nothing was built, because that would have replaced it. Rename it; or ' ~ elsewhere ~ ' another name, `' ~ kind ~ ': {' ~ path
        ~ ': {+alias: mlbridge_' ~ node.name ~ '}' ~ '}' * (node.fqn | length) ~ '`.') }}
    {%- endif -%}
  {%- endfor -%}
{% endmacro %}

{% macro check_what_is_read(node) %}
  {#- Without the flag, dbt takes a model of the project for the package's own of that name. -#}
  {%- for id in node.depends_on.nodes if id in graph.nodes and not id.startswith('model.mlbridge.') -%}
    {%- if 'model.mlbridge.' ~ graph.nodes[id].name in graph.nodes -%}
      {{ mlbridge.refuse(node.name, "it would read '" ~ id ~ "', this project's own model, for mlbridge's of the same name. Nothing was "
        ~ 'built. Say `flags: {require_ref_searches_node_package_before_root: true}` in dbt_project.yml, or rename the model.') }}
    {%- endif -%}
  {%- endfor -%}
{% endmacro %}

{% macro own_relation(name) %}
  {#- Where one of the package's tables is; none when it has not been built, or what is there is somebody else's. -#}
  {%- set node = graph.nodes.get('model.mlbridge.' ~ name) -%}
  {%- set found = adapter.get_relation(node.database, node.schema, node.alias) if node else none -%}
  {{ return(none if found is none or mlbridge.columns_lacking(node, mlbridge.column_names([found])[0]) else found) }}
{% endmacro %}

{% macro columns_lacking(node, there) %}
  {#-
    Which of the first four columns of a node of the package, or of those that it adds to the host's own, are not among `there`, the columns
    of the relation at its place: none is lacking in what any version of mlbridge has built, and what lacks one is not mlbridge's.
    `mlbridge doctor` says the same.
  -#}
  {%- set there = there | map('lower') | list -%}
  {{ return(((node.config.get('meta') or {}).get('mlbridge_scores') or node.columns.keys() | list)[:4] | reject('in', there) | list) }}
{% endmacro %}

{% macro scores_columns() %}
  {#- What `ml_scores_<model>` has beside the host's own columns; its node has them as `meta.mlbridge_scores`. -#}
  {{ return([
    'local_date', 'prediction', 'probability', 'outcome', 'outcome_state', 'version', 'scored_at', 'not_scored_because',
  ]) }}
{% endmacro %}
