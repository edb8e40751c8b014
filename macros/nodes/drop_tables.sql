{# The end of a branch: what it has in the warehouse, by `dbt run-operation mlbridge.drop_tables` (docs/removing.md). #}

{% macro drop_tables(really=false, model=none, relations=[], keep=[]) %}
  {%- set names, schemas, kept, runs = [], [], [target.schema], graph.nodes['model.mlbridge.ml_runs'] -%}
  {%- set scores = mlbridge.scores_nodes() -%}
  {%- do schemas.append((runs.database, mlbridge.published_schema(runs.schema))) -%}
  {%- for each in (mlbridge.models() if model is none else [model]) -%}
    {%- for stage in ['features', 'split', 'training', 'predictions'] -%}{%- do names.append(each ~ '_' ~ stage) -%}{%- endfor -%}
    {%- do names.append('ml_scores_' ~ each) -%}
  {%- endfor -%}
  {%- for database, schema, name in relations -%}
    {%- do mlbridge.drop_tables_of({'database': database, 'schema': schema, 'alias': name}, really) -%}
    {%- do schemas.append((database, schema)) -%}
  {%- endfor -%}
  {%- for node in graph.nodes.values() if node.resource_type in ['model', 'seed', 'snapshot'] -%}
    {%- set ours = node.name in names or model is none and (node.package_name == 'mlbridge' or node.unique_id in scores) -%}
    {%- if ours and node.name not in keep -%}
      {%- do mlbridge.drop_tables_of(node, really) -%}
      {%- do schemas.append((node.database, node.schema)) -%}
    {%- elif model is none and 'mlbridge_requests' in (node.config.meta or {}) -%}
      {#- The model is the host's; what is loaded for it is not. -#}
      {%- do mlbridge.drop_tables_of(dict(node, alias=node.alias ~ '_recorded'), really) -%}
      {%- do kept.append(node.schema) -%}
    {%- elif [node.database, node.schema, node.alias] not in relations -%}
      {%- do kept.append(node.schema) -%}
    {%- endif -%}
  {%- endfor -%}
  {%- for database, schema in schemas | unique if really and schema and schema not in kept -%}
    {%- set place = api.Relation.create(database=database, schema=schema) -%}
    {%- if adapter.check_schema_exists(database, schema) and not list_relations_without_caching(place) | length -%}
      {{ log('dropped the schema ' ~ place, info=true) }}
      {%- do adapter.drop_schema(place) -%}
    {%- endif -%}
  {%- endfor -%}
  {%- do mlbridge.end_transaction() -%}
{% endmacro %}

{% macro drop_tables_of(node, really) %}
  {#-
    The table or view of a node, of which `node` has the place, what a killed build has left of it, what stands beside the logbook of a
    training node in SQL, and its copy for dashboards.
  -#}
  {%- set places = [] -%}
  {%- set endings = ['', '__dbt_tmp', '__dbt_backup'] + (['_inbox', '_request'] if node.alias.endswith('_training') else []) -%}
  {%- for end in endings -%}{%- do places.append((node.schema, node.alias ~ end)) -%}{%- endfor -%}
  {%- set published = mlbridge.published_schema(graph.nodes['model.mlbridge.ml_runs'].schema) -%}
  {%- if published is not none and node.alias.startswith('ml_') -%}{%- do places.append((published, node.alias)) -%}{%- endif -%}
  {%- for schema, name in places -%}
    {%- set relation = adapter.get_relation(node.database, schema, name) -%}
    {%- if relation is not none -%}
      {{ log(('dropped ' if really else 'would drop ') ~ relation, info=true) }}
      {%- if really -%}{%- do adapter.drop_relation(relation) -%}{%- endif -%}
    {%- endif -%}
  {%- endfor -%}
{% endmacro %}
