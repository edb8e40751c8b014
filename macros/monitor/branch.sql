{# Which nodes belong to which model and stage. #}

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
