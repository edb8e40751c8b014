{# The JSON documents of a version's logbook row, read while dbt compiles. #}

{% macro compared_documents() %}{#- What `documents` reads, beside the params. -#}{{ return(['features', 'profile', 'estimation', 'importances']) }}{% endmacro %}

{% macro documents(name, version, training, columns) %}
  {#-
    Of a version: the features that the split still has (`columns` by name) and the target, each with `name` and `kind`;
    profile bins from 0 on by feature; calibration steps by class; the nodes of the regression tree of errors; the
    classes; and the importances above 0 by feature.
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
  {#- `feature, kind, bin, baseline_rows_in_bin` of the profile, without its NULLs and with rare categories folded. -#}
  {%- set fields = {'feature': 'text', 'kind': 'text', 'bin': 'count', 'rows': 'count'} -%}
  select
    item.feature,
    item.kind,
    case when item.kind = 'category' and item.bin > {{ mlbridge.folded() }} then {{ mlbridge.folded() }} else item.bin end as bin,
    sum(item.{{ mlbridge.named('rows') }}) as baseline_rows_in_bin
  from {{ mlbridge.unfold(documents.logbook, 'profile', [], fields, 'source.version = ' ~ documents.version) }} as item
  where item.bin >= 0
  group by 1, 2, 3
{% endmacro %}

{% macro listed(documents) %}
  {#- `feature, category, bin`: the categories of all features, shortened because an earlier mlbridge stored long texts whole. -#}
  {%- set fields = {'feature': 'text', 'category': 'text', 'bin': 'count'} -%}
  select item.feature, {{ mlbridge.shortened('item.category') }} as category, item.bin
  from {{ mlbridge.unfold(documents.logbook, 'profile', [], fields, 'source.version = ' ~ documents.version) }} as item
  where item.category is not null
{%- endmacro %}
