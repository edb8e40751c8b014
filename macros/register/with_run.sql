{# What the materialization tells a Python node of the build that it is part of. #}

{% macro with_run(code, exists) %}
  {#- Python code with one line more: a dict of literals on the class that dbt makes the `dbt` argument from. -#}
  {%- set run = {
    'node': model.name,
    'invocation_id': invocation_id,
    'as_of': mlbridge.as_of(),
    'started_at': run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f'),
    'retrain': mlbridge.retrain_word(),
    'drift': mlbridge.drift_asked(exists),
    'exists': exists,
    'empty': flags.EMPTY | default(false),
    'spec': mlbridge.said(modules.re.sub('_predictions$', '_training', model.name)),
    'package_version': mlbridge.version(),
  } -%}
  {{ return(code ~ '\n\ndbtObj.mlbridge = ' ~ run ~ '\n') }}
{% endmacro %}

{% macro drift_asked(exists) %}
  {#- How far the features have drifted, where a training node's spec wants to decide by it; none everywhere else. -#}
  {%- set said = mlbridge.said(model.name) -%}
  {%- set retrain = said.get('retrain') if said is mapping else none -%}
  {%- set asked = model.name.endswith('_training') and retrain is mapping and retrain.get('max_drift') is number -%}
  {%- if not asked or not exists or flags.EMPTY or mlbridge.retrain_word() not in ['policy', 'false'] -%}
    {{ return(none) }}
  {%- endif -%}
  {#- In a transaction of its own: in one left open, what Python writes beside it would not be seen afterwards. -#}
  {%- call statement('begin', auto_begin=True) -%} select 1 {%- endcall -%}
  {%- set facts = mlbridge.drift_facts(model.name[:-9]) -%}
  {%- do adapter.commit() -%}
  {{ return(facts) }}
{% endmacro %}
