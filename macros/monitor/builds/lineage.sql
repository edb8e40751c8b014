{# The graph that the monitor shows: the branch, everything upstream of it, and the package's own tables. #}

{% macro lineage() %}
  {#-
    `name, kind, package, model, stage, materialized, description, parents` by the unique id of each node. Ephemeral nodes
    and the steps of the monitor are left out; their parents take their place. `name` is the one in `ml_runs`.
  -#}
  {%- set every = dict(graph.nodes, **graph.sources) -%}
  {%- set branch, written_into = mlbridge.branch(), mlbridge.written_into() -%}
  {%- set found = {} -%}
  {%- for id in branch | reject('in', written_into) recursive -%}{#- upstream -#}
    {%- if id not in found -%}
    {%- set node, parents = every[id], mlbridge.read_by(id, every, written_into) -%}
    {%- set kind = id.split('.')[0] -%}
    {%- set model, stage = branch.get(id, [none, 'source' if kind == 'source' else 'host']) -%}
    {%- do found.update({id: {
      'name': mlbridge.name_of(node, id in branch), 'kind': kind, 'package': node.package_name, 'model': model,
      'stage': 'monitor' if node.package_name == 'mlbridge' and id not in branch else stage,
      'materialized': node.config.get('materialized'), 'description': node.description or none, 'parents': parents,
    }}) -%}
    {{- loop(parents) -}}
    {%- endif -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{% macro read_by(id, every, written_into) %}
  {#- The unique ids of the sources, seeds, snapshots and models in the warehouse that a node reads; `written_into` as the macro gives it. -#}
  {%- set seen, found = [], [] -%}
  {%- for each in every[id].get('depends_on', {}).get('nodes', []) recursive -%}{#- upstream -#}
    {%- if each in every and each.split('.')[0] in ['source', 'seed', 'snapshot', 'model'] and each not in seen -%}
      {%- do seen.append(each) -%}
      {%- if each in written_into -%}
        {{- loop(every[each].get('depends_on', {}).get('nodes', [])) -}}
      {%- else -%}
        {%- do found.append(each) -%}
      {%- endif -%}
    {%- endif -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{% macro name_of(node, is_branch) %}
  {#-
    A name that is unique in the graph: prefixed by the source or by the package, and suffixed by the version, where
    another node could have the same one.
  -#}
  {%- if node.resource_type == 'source' -%}{{ return(node.source_name ~ '.' ~ node.name) }}{%- endif -%}
  {%- set version = node.get('version') -%}
  {%- set name = node.name if version is none else node.name ~ '.v' ~ version -%}
  {{ return(name if is_branch or node.package_name in ['mlbridge', project_name] else node.package_name ~ '.' ~ name) }}
{% endmacro %}

{% macro lineage_documents() %}
  {#- The graph, as `as_documents` gives rows: one per node. -#}
  {%- set nodes = [] -%}
  {%- for id, node in (mlbridge.lineage() if execute else {}).items() -%}
    {%- do nodes.append(dict(node, node=id, parents=tojson(node.parents))) -%}
  {%- endfor -%}
  {{ return(mlbridge.as_documents(nodes)) }}
{% endmacro %}

{% macro as_documents(rows) %}
  {#-
    Rows, as mappings, in the form that `unfold` reads: a relation with one column `document`, each a JSON array of up to 20 of them,
    because some engines limit the length of a literal.
  -#}
  {%- set found = [] -%}
  {%- for some in rows | batch(20) -%}
    {%- do found.append('select ' ~ mlbridge.text(tojson(some)) ~ ' as document') -%}
  {%- endfor -%}
  {{ return('(' ~ (found or ["select '[]' as document"]) | join(' union all ') ~ ')') }}
{% endmacro %}
