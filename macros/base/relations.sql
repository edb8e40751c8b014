{# Tables and views of this project. #}

{% macro relation_of(name) %}
  {#- Where a model's table is, with `--defer` possibly in another schema, or none when it has not been built. -#}
  {%- set nodes = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model')
      | selectattr('name', 'equalto', name) | list -%}
  {%- if not nodes -%}{{ return(none) }}{%- endif -%}
  {%- set found, deferred = adapter.get_relation(nodes[0].database, nodes[0].schema, nodes[0].alias), nodes[0].defer_relation -%}
  {%- if found is none and deferred -%}{{ return(adapter.get_relation(deferred.database, deferred.schema, deferred.alias)) }}{%- endif -%}
  {{ return(found) }}
{% endmacro %}

{% macro upstream(name) %}
  {#- A table of the branch: as `ref` finds it (with `--defer` possibly in another schema) if the node reads it, else where it was built. -#}
  {%- for id in model.depends_on.nodes if name in id.split('.') -%}{{ return(ref(name)) }}{%- endfor -%}
  {%- set found = mlbridge.relation_of(name) -%}
  {%- if found is none -%}{{ mlbridge.refuse(model.name, "there is no table '" ~ name ~ "' yet. Build it first.") }}{%- endif -%}
  {{ return(found) }}
{% endmacro %}

{% macro names_in(relation) %}
  {#-
    The names of the columns of a relation that is there, by a query that gives no row: dbt builds the names of all macros anew
    for each question that an adapter answers by a macro, such as `get_columns_in_relation`.
  -#}
  {{ return(run_query('select * from ' ~ relation ~ ' where 1 = 0').column_names | list) }}
{% endmacro %}

{% macro rows_of(relation) %}
  {#- A relation that takes an alias in a FROM. With `--empty` dbt puts a subquery in its place, which has an alias on some engines. -#}
  {{ return('(select * from ' ~ relation ~ ')' if flags.EMPTY else relation) }}
{% endmacro %}

{% macro scores_nodes() %}
  {#-
    The `ml_scores_<model>`, which the host has by calls of `mlbridge.scores`: nodes of the graph, by unique id. In one call, because dbt
    takes longer to call a macro than this.
  -#}
  {%- set found = {} -%}
  {%- for id, node in graph.nodes.items() if node.resource_type == 'model' and 'mlbridge_scores' in (node.config.get('meta') or {}) -%}
    {%- do found.update({id: node}) -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}
