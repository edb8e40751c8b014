{# At the end of a dbt command the package's tables are published, so that people and the monitor can read them while a build holds them. #}

{% macro publish_materialization(results=[]) %}
  {#- At the end of each dbt command, after `log_runs`. dbt lets only a macro that is called a materialization run Python. -#}
  {%- if mlbridge.is_running() and not flags.EMPTY -%}
    {%- do mlbridge.settle_session() -%}
    {%- set facts = {'target': target.name, 'build': invocation_id, 'as_of': mlbridge.as_of(), 'version': mlbridge.version()} -%}
    {%- set publication = mlbridge.publication(
      mlbridge.published_tables(), mlbridge.served_branches(), mlbridge.served_online(results), facts)  -%}
    {%- do mlbridge.end_transaction() -%}
    {%- if publication.python -%}
      {%- call statement('publish', language='python') -%}{{ publication.python }}{%- endcall -%}
    {%- endif -%}
    {{ publication.sql }}
  {%- endif -%}
{% endmacro %}

{% macro published_tables() %}
  {#-
    Database, schema and name of the package's tables and views, and of the `ml_scores_<model>`, by name. Left out is
    `ml_predictions_latest`, which costs more than all others and is in `ml_predictions`. `Project.published_tables` in Python gives
    the same.
  -#}
  {%- set tables, written_into, scores = {}, mlbridge.written_into(), mlbridge.scores_nodes() -%}
  {%- set models = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') -%}
  {%- for node in models if node.unique_id not in written_into and (
      node.package_name == 'mlbridge' and node.name != 'ml_predictions_latest' or node.unique_id in scores) -%}
    {%- do tables.update({node.name: [node.database, node.schema, node.alias]}) -%}
  {%- endfor -%}
  {{ return(tables) }}
{% endmacro %}

{% macro served_branches() %}
  {#-
    What `mlbridge serve` needs of each model, as the fields of `Branch` in `mlbridge/publication/versions.py`; a model that lacks a node is
    left out. `served_branches` in Python gives the same; `tests/builds/test_publish.py` holds both together.
  -#}
  {%- set places, branches = {}, {} -%}
  {%- for node in graph.nodes.values() if node.resource_type == 'model' -%}
    {%- do places.update({node.name: [node.database, node.schema, node.alias]}) -%}
  {%- endfor -%}
  {%- for name in mlbridge.models() if name ~ '_split' in places and name ~ '_training' in places -%}
    {%- do branches.update({name: {'split': places[name ~ '_split'], 'logbook': places[name ~ '_training']}}) -%}
  {%- endfor -%}
  {{ return(branches) }}
{% endmacro %}

{% macro served_online(results) %}
  {#-
    What `mlbridge serve` needs to give a key its features, as the fields of `Declared` in `mlbridge/serving/publishing.py`: the views with an
    online table, the models, and where dbt has written the code of a node of this build. `served_online` in Python gives
    the same; `tests/builds/test_online.py` holds both together.
  -#}
  {%- set views, models, paths = {}, {}, [] -%}
  {%- for node in mlbridge.online_nodes() -%}
    {%- set view = mlbridge.view_of(node) -%}
    {%- if view is not none -%}
      {%- set declared = mlbridge.declared_of(view) -%}
      {%- do views.update({view.unique_id: {
        'name': view.name, 'table': [node.database, node.schema, node.alias],
        'entity': mlbridge.names_of(view.name, 'entity', declared.entity), 'time': declared.time, 'known_at': declared.get('known_at'),
      }}) -%}
    {%- endif -%}
  {%- endfor -%}
  {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name.endswith('_training') and node.name[:-9] in mlbridge.models() -%}
    {%- do models.update({node.name[:-9]: {'training': node.unique_id, 'time': mlbridge.declared_of(node).get('time')}}) -%}
  {%- endfor -%}
  {%- for result in results if result.node.compiled_path -%}{%- do paths.append(result.node.compiled_path) -%}{%- endfor -%}
  {{ return({'views': views, 'models': models, 'compiled_path': paths | first if paths else none}) }}
{% endmacro %}
