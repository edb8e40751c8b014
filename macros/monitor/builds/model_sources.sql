{# Which sources the features of each model come from: what tells whether alerts of several models may have one cause. #}

{% macro model_sources() %}
  {#-
    A select with a row per declared model and source of it: `model`; `source`, a node of dbt's graph from which a path leads to
    `<model>_split` and to which none leads, by its name in `ml_nodes`; `origin`, the first by name of the models that are connected
    by sources, directly or through other models. The graph knows nodes and not columns: it tells which sources a model reads, not
    which of its features comes from which.
  -#}
  {%- set rows = ["select '' as model, '' as source, '' as origin from " ~ mlbridge.numbers(1) ~ ' as nowhere where 1 = 0'] -%}
  {%- set lineage = mlbridge.lineage() if execute else {} -%}
  {%- for group in mlbridge.connected(mlbridge.sources_by_model(lineage)) -%}
    {%- for model, source in group | sort -%}
      {%- do rows.append('select ' ~ mlbridge.text(model) ~ ' as model, ' ~ mlbridge.text(lineage[source].name) ~ ' as source, '
        ~ mlbridge.text(group | map('first') | min) ~ ' as origin') -%}
    {%- endfor -%}
  {%- endfor -%}
  {{ return(rows | join(' union all ')) }}
{% endmacro %}

{% macro sources_by_model(lineage) %}
  {#- The unique ids of the nodes without parents from which a path leads to a model's split, by model. -#}
  {%- set found = {} -%}
  {%- for id, node in lineage.items() if node.model is not none and node.stage == 'split' -%}
    {%- set seen, sources = [], [] -%}
    {%- for each in [id] recursive -%}{#- upstream -#}
      {%- if each not in seen -%}
        {%- do seen.append(each) -%}
        {%- if not lineage[each].parents -%}{%- do sources.append(each) -%}{%- endif -%}
        {{- loop(lineage[each].parents) -}}
      {%- endif -%}
    {%- endfor -%}
    {%- do found.update({node.model: sources}) -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{% macro connected(sources_of) %}
  {#- Models and sources as pairs, in groups: two models are in one if they share a source, directly or through other models. -#}
  {%- set found = namespace(groups=[]) -%}
  {%- for model, sources in sources_of.items() -%}
    {%- set own, others = [], [] -%}
    {%- for source in sources -%}{%- do own.append([model, source]) -%}{%- endfor -%}
    {%- for group in found.groups -%}
      {%- if group | map('last') | select('in', sources) | list -%}
        {%- do own.extend(group) -%}
      {%- else -%}
        {%- do others.append(group) -%}
      {%- endif -%}
    {%- endfor -%}
    {%- set found.groups = others + [own] -%}
  {%- endfor -%}
  {{ return(found.groups) }}
{% endmacro %}
