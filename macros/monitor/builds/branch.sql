{# Which model and which stage each node of the branch belongs to. #}

{% macro branch() %}
  {#-
    `[model, stage]` by the unique id of each node of the branch. A node upstream of `<model>_features` whose name begins
    with the model's, such as `churn_visits`, belongs to the stage `features`; other upstream nodes are the host's and not
    in the result.
  -#}
  {%- set stages = {'features': 'features', 'split': 'split', 'training': 'train', 'predictions': 'score'} -%}
  {%- set nodes = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') | list -%}
  {%- set found, stage_by_table = {}, mlbridge.stage_by_table() -%}
  {%- for node in nodes if node.package_name == 'mlbridge' -%}
    {%- do found.update({node.unique_id: [none, stage_by_table.get(node.name, 'monitor')]}) -%}
  {%- endfor -%}
  {%- for name in mlbridge.models() -%}
    {%- for node in nodes if node.name.startswith(name ~ '_') and node.name[name | length + 1:] in stages -%}
      {%- do found.update({node.unique_id: [name, stages[node.name[name | length + 1:]]]}) -%}
    {%- endfor -%}
  {%- endfor -%}
  {%- for id, node in mlbridge.scores_nodes().items() -%}
    {%- do found.update({id: [node.name[10:], 'score']}) -%}
  {%- endfor -%}
  {%- for id in found.items() | selectattr('1.1', 'equalto', 'features') | map('first') | list recursive -%}{#- upstream -#}
    {%- set name, before = found[id][0], [] -%}
    {%- for parent in graph.nodes[id].depends_on.nodes if parent.startswith('model.') and parent not in found
        and graph.nodes[parent].name.startswith(name ~ '_') -%}
      {%- do found.update({parent: [name, 'features']}) -%}
      {%- do before.append(parent) -%}
    {%- endfor -%}
    {{- loop(before) -}}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{% macro stage_by_table() %}
  {#- The stages of the package's tables, by name, so that files can be moved. A table that is not listed belongs to `monitor`. -#}
  {{ return({
    'ml_versions': 'register', 'ml_champions': 'register', 'ml_decisions': 'register', 'ml_leaks': 'register', 'ml_lineage': 'register',
    'ml_metrics': 'train', 'ml_importances': 'train', 'ml_profiles': 'train',
    'ml_predictions': 'score', 'ml_predictions_latest': 'score',
  }) }}
{% endmacro %}
