{# The end of a branch: what it has in the warehouse, by `dbt run-operation mlbridge.drop_tables` (docs/removing.md). #}

{% macro drop_tables(really=false, model=none) %}
  {%- set names, schemas, kept = [], [], [target.schema] -%}
  {%- for each in (mlbridge.models() if model is none else [model]) -%}
    {%- for stage in ['features', 'split', 'training', 'predictions'] -%}{%- do names.append(each ~ '_' ~ stage) -%}{%- endfor -%}
    {%- do names.append('ml_scores_' ~ each) -%}
  {%- endfor -%}
  {%- for node in graph.nodes.values() if node.resource_type in ['model', 'seed', 'snapshot'] -%}
    {%- if node.name in names or model is none and (node.package_name == 'mlbridge' or mlbridge.is_scores(node)) -%}
      {%- do mlbridge.drop_tables_of(node, really) -%}
      {%- do schemas.append((node.database, node.schema)) -%}
    {%- else -%}
      {%- do kept.append(node.schema) -%}
    {%- endif -%}
  {%- endfor -%}
  {%- for database, schema in schemas | unique if really and schema not in kept -%}
    {%- set place = api.Relation.create(database=database, schema=schema) -%}
    {%- if adapter.check_schema_exists(database, schema) and not list_relations_without_caching(place) | length -%}
      {{ log('dropped the schema ' ~ place, info=true) }}
      {%- do adapter.drop_schema(place) -%}
    {%- endif -%}
  {%- endfor -%}
  {%- do mlbridge.end_transaction() -%}
{% endmacro %}

{% macro drop_tables_of(node, really) %}
  {#- A node's table or view, what a build that was killed has left of it, and what stands beside the logbook of a training node in SQL. -#}
  {%- set endings = ['', '__dbt_tmp', '__dbt_backup'] + (['_inbox', '_request'] if node.name.endswith('_training') else []) -%}
  {%- for ending in endings -%}
    {%- set name = node.alias ~ ending -%}
    {%- set relation = adapter.get_relation(node.database, node.schema, name) -%}
    {%- if relation is not none -%}
      {{ log(('dropped ' if really else 'would drop ') ~ relation, info=true) }}
      {%- if really -%}{%- do adapter.drop_relation(relation) -%}{%- endif -%}
    {%- endif -%}
  {%- endfor -%}
{% endmacro %}
