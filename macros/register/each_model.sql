{% macro each_model() %}
  {#-
    The caller's select for every declared model whose nodes are built, put together by `union all`; without any, no rows with
    the columns of the contract. Use: `call(name) mlbridge.each_model()`.
  -#}
  {%- set selects = [] -%}
  {%- for name in mlbridge.models() -%}
    {#- While dbt parses, all models are included, so that dbt finds every `ref`. -#}
    {%- if not execute or mlbridge.is_built(name) -%}{%- do selects.append(caller(name)) -%}{%- endif -%}
  {%- endfor -%}
{{ selects | join('\nunion all\n') or mlbridge.no_rows() }}
{%- endmacro %}

{% macro is_built(name) %}
  {#-
    Whether the warehouse has all nodes of a model that the calling node reads. One may be missing where only a part of the
    project has been built, or none at all.
  -#}
  {%- set missing = [] -%}
  {%- for id in model.depends_on.nodes -%}
    {%- set parent = graph.nodes.get(id, {}).get('name', '') -%}
    {%- if parent.startswith(name ~ '_') and parent[name | length + 1:] in ['split', 'training', 'predictions']
        and load_relation(ref(parent)) is none -%}
      {%- do missing.append(parent) -%}
    {%- endif -%}
  {%- endfor -%}
  {%- if missing and model.name in ['ml_versions', 'ml_predictions'] and mlbridge.is_running() -%}
    {%- do exceptions.warn(model.name ~ ': nothing is shown of the model ' ~ name ~ ' yet, because these are not built here: '
      ~ missing | join(', ') ~ '. Build them: `dbt build --select ' ~ name ~ '_split+`.') -%}
  {%- endif -%}
  {{ return(not missing) }}
{% endmacro %}
