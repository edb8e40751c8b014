{# What a version's logbook row holds as JSON, read once while the SQL is written. #}

{% macro documents(name, version, training, columns) %}
  {#-
    The features that the rows still have (`columns` by name) and the target, each with `name` and `kind`; profile bins
    (from 0) by feature; calibration steps by class; the tree of losses; the classes; importances above 0 by feature.
  -#}
  {%- set found = run_query(
    "select features, params, profile, estimation, importances from " ~ training ~ " where version = " ~ version
    ~ " and outcome in ('promoted', 'rejected')"
  ).rows[0] -%}
  {%- set profile, steps, nodes = {}, {}, {} -%}
  {%- for record in fromjson(found[2]) if record.bin >= 0 -%}
    {%- do profile.setdefault(record.feature, []).append(record) -%}
  {%- endfor -%}
  {%- for record in fromjson(found[3] or '[]') -%}
    {%- if record.step is not none -%}
      {%- do steps.setdefault(record.class_no, []).append(record) -%}
    {%- else -%}
      {%- do nodes.update({record.node: record}) -%}
    {%- endif -%}
  {%- endfor -%}
  {%- set weights = {} -%}
  {%- for record in fromjson(found[4]) if (record.mean or 0) > 0 -%}{%- do weights.update({record.feature: record.mean}) -%}{%- endfor -%}
  {%- set features = fromjson(found[0]) | selectattr('name', 'in', columns) | list -%}
  {%- do features.append({'name': 'ml_target', 'kind': profile['ml_target'][0].kind}) -%}
  {{ return({
    'model': name,
    'version': version,
    'logbook': training,
    'weights': weights,
    'features': features,
    'classes': fromjson(found[1])['classes'],
    'profile': profile,
    'steps': steps,
    'nodes': nodes,
  }) }}
{% endmacro %}

{% macro profile_of(documents) %}
  {#- `feature, kind, bin` and the rows `m` of the profile without its NULLs, categories folded. -#}
  {%- set fields = {'feature': 'text', 'kind': 'text', 'bin': 'count', 'rows': 'count'} -%}
  select
    item.feature,
    item.kind,
    case when item.kind = 'category' and item.bin > {{ mlbridge.folded() }} then {{ mlbridge.folded() }} else item.bin end as bin,
    sum(item.{{ mlbridge.named('rows') }}) as m
  from {{ mlbridge.unfold(documents.logbook, 'profile', [], fields, 'source.version = ' ~ documents.version) }} as item
  where item.bin >= 0
  group by 1, 2, 3
{% endmacro %}

{% macro listed(documents, feature) %}
  {#- The categories of a feature with their bins. -#}
  {%- set fields = {'feature': 'text', 'category': 'text', 'bin': 'count'} -%}
  select item.category, item.bin
  from {{ mlbridge.unfold(documents.logbook, 'profile', [], fields, 'source.version = ' ~ documents.version) }} as item
  where item.feature = {{ mlbridge.text(feature) }} and item.category is not null
{%- endmacro %}
