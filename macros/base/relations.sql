{# Tables and views of this project. #}

{% macro relation_of(name) %}
  {#- Where a model's table is, or none when it has not been built. -#}
  {%- set nodes = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model')
      | selectattr('name', 'equalto', name) | list -%}
  {%- if not nodes -%}{{ return(none) }}{%- endif -%}
  {{ return(adapter.get_relation(nodes[0].database, nodes[0].schema, nodes[0].alias)) }}
{% endmacro %}
