{# The facts of a build that the materialization passes to Python, with what SQL has decided for it. #}

{% macro with_run(code, exists) %}
  {#- The code of a Python node with one more line, which sets a dict of literals on the class of the `dbt` argument. -#}
  {{ return(code ~ '\n\ndbtObj.mlbridge = ' ~ mlbridge.run_facts(exists) ~ '\n') }}
{% endmacro %}

{% macro run_facts(exists) %}
  {#- What `Run` in `mlbridge/spec/run.py` reads; `exists` says whether the node's table is there. -#}
  {%- set name = modules.re.sub('_(training|predictions)$', '', model.name) -%}
  {%- set run = {
    'node': model.name,
    'invocation_id': invocation_id,
    'as_of': mlbridge.as_of(),
    'started_at': mlbridge.build_started_at(),
    'retrain': mlbridge.retrain_mode(),
    'exists': exists,
    'empty': flags.EMPTY | default(false),
    'spec': mlbridge.raw_spec(name ~ '_training'),
    'package_version': mlbridge.version(),
  } -%}
  {%- if not run.empty and name != model.name -%}
    {%- do run.update(mlbridge.for_training(name, exists) if model.name.endswith('_training') else mlbridge.for_predictions(name)) -%}
  {%- endif -%}
  {{ return(run) }}
{% endmacro %}

{% macro for_training(name, exists) %}
  {#- For the training node: the versions in use, how far the features have drifted where the spec decides by it, the check of the keys, and where dbt's manifest is found. -#}
  {%- set spec = mlbridge.spec(name) -%}
  {#- Without any version, a pin or a retirement is not an error yet: this build trains the first version. -#}
  {%- set has_versions = exists and mlbridge.kept_versions(this, mlbridge.is_known('as_of')) -%}
  {%- set in_use = mlbridge.in_use(name, this) if has_versions else {} -%}
  {%- set by_drift = spec.retrain.max_drift is not none and mlbridge.retrain_mode() == 'policy' -%}
  {{ return({
    'in_use': in_use,
    'drift': mlbridge.drift_facts(name, in_use.champion) if by_drift and in_use.get('champion') is not none else none,
    'key_problem': mlbridge.key_problem(spec.entity, spec.time, spec.split.group, 'ml_split_relation'),
    'unique_id': model.unique_id | default(''),
    'compiled_path': model.compiled_path | default(none),
    'refuse_memory': mlbridge.refuses_memory(),
  }) }}
{% endmacro %}

{% macro for_predictions(name) %}
  {#- For the predictions node: the versions that score, with the select of the rows that wait for each, and why its own SELECT may not run. -#}
  {%- set split, training, scoring = mlbridge.upstream(name ~ '_split'), mlbridge.upstream(name ~ '_training'), [] -%}
  {%- for version in mlbridge.scoring_versions(name, split, training, rows='ml_split_relation') -%}
    {%- do scoring.append({
      'number': version.number, 'is_challenger': version.is_challenger, 'waiting': version.waiting,
      'select_problem': mlbridge.select_problem(version),
    }) -%}
  {%- endfor -%}
  {{ return({'scoring': scoring, 'takes_requests': mlbridge.requests_of(model) is not none}) }}
{% endmacro %}
