{#
  The spec of a model: `config.meta.mlbridge` of its training node. SQL reads it before any Python runs, and where none runs. So the
  keys that SQL uses are checked and get their defaults here; the others stay as in the YAML. `mlbridge/spec/reading.py` reads all keys.
#}

{% macro spec_keys() %}
  {{ return([
    'task', 'target', 'entity', 'time', 'label_time', 'features', 'split', 'candidates', 'metric', 'promote',
    'retrain', 'shadow', 'canary', 'monitor', 'pin', 'trusted', 'retire', 'allow_leakage', 'allow_pii', 'report', 'time_zone',
    'sample',
  ]) }}
{% endmacro %}

{% macro split_defaults() %}
  {{ return({'by': 'time', 'validation': 0.15, 'test': 0.15, 'gap': '0 days', 'group': none}) }}
{% endmacro %}

{% macro raw_spec(training) %}
  {#- `config.meta.mlbridge` of a training node as its YAML has it, unchecked and without defaults; none without it. -#}
  {%- for node in graph.nodes.values() if node['name'] == training and node['resource_type'] == 'model' -%}
    {{ return((node.config.meta or {}).get('mlbridge')) }}
  {%- endfor -%}
  {{ return(none) }}
{% endmacro %}

{% macro spec(model_name) %}
  {%- set node = model_name ~ '_training' -%}
  {#- `graph` is empty during the parse; dbt discards what is rendered then. -#}
  {%- set nothing = {'task': 'regression', 'target': 'target', 'entity': 'entity', 'time': 'time'} -%}
  {{ return(mlbridge.read_spec(node, mlbridge.raw_spec(node) if execute else nothing)) }}
{% endmacro %}

{% macro read_spec(node, found) %}
  {#- The checked spec with the defaults that SQL needs; `found` is the raw spec. -#}
  {%- if found is not mapping -%}
    {{ mlbridge.refuse(node, 'found no `config: {meta: {mlbridge: ...}}` on a node of this name. Write there at least task, target, '
      ~ 'entity and time.') }}
  {%- endif -%}
  {%- do mlbridge.known_keys(node, '', found, mlbridge.spec_keys()) -%}
  {%- for key in ['task', 'target', 'entity', 'time'] -%}
    {%- if key not in found -%}
      {{ mlbridge.refuse_key(node, key, 'is missing; found only ' ~ mlbridge.enumerated(found) ~ ". Name it in the node's YAML.") }}
    {%- elif found[key] in [none, '', []] -%}
      {{ mlbridge.refuse_key(node, key, "is empty. Say in the node's YAML what it is.") }}
    {%- endif -%}
  {%- endfor -%}
  {%- set pin = found.get('pin') -%}
  {%- set read = dict(found,
    task=mlbridge.one_of(node, 'task', found.task, ['classification', 'regression']),
    label_time=none if found.get('label_time') is none else mlbridge.one_name(node, 'label_time', found.label_time),
    target=mlbridge.one_name(node, 'target', found.target),
    entity=mlbridge.names_of(node, 'entity', found.entity),
    time=mlbridge.one_name(node, 'time', found.time),
    split=mlbridge.read_split(node, found.get('split')),
    retrain=mlbridge.read_retrain(node, found.get('retrain')),
    shadow=false if found.get('shadow') is none else mlbridge.one_flag(node, 'shadow', found.shadow),
    canary=mlbridge.read_canary(node, found.get('canary')),
    monitor=mlbridge.read_monitor(node, found.get('monitor')),
    pin=none if pin is none else mlbridge.one_version(node, 'pin', pin),
    retire=mlbridge.read_retire(node, found.get('retire'), pin),
    report=mlbridge.names_of(node, 'report', found.get('report')),
    time_zone='UTC' if found.get('time_zone') is none else mlbridge.one_name(node, 'time_zone', found.time_zone, what='a time zone'),
  ) -%}
  {%- do mlbridge.all_finite(node, found) -%}
  {{ return(read) }}
{% endmacro %}

{% macro read_split(node, found) %}
  {%- set split = dict(mlbridge.split_defaults(), **mlbridge.known_keys(node, 'split', found, mlbridge.split_defaults())) -%}
  {%- do mlbridge.one_name(node, 'split.by', split.by, "'time', 'hash' or ") -%}
  {%- do split.update(gap=mlbridge.one_duration(node, 'split.gap', split.gap)) -%}
  {%- if split.by != 'time' and not split.gap.startswith('0 ') -%}
    {{ mlbridge.refuse_key(node, 'split.gap', 'a gap needs `by: time`, found `by: ' ~ split.by ~ '`. Drop the gap.') }}
  {%- endif -%}
  {%- if split.by != 'hash' and split.group is not none -%}
    {{ mlbridge.refuse_key(node, 'split.group', 'a group needs `by: hash`, found `by: ' ~ split.by ~ '`. Drop the group.') }}
  {%- endif -%}
  {%- for key in ['validation', 'test'] -%}
    {%- do mlbridge.one_number(node, 'split.' ~ key, split[key], 'a number between 0 and 1', 0, 1) -%}
  {%- endfor -%}
  {%- if split.validation + split.test >= 1 -%}
    {{ mlbridge.refuse_key(node, 'split', 'validation ' ~ '%g' | format(split.validation) ~ ' and test ' ~ '%g' | format(split.test)
      ~ ' leave no rows to train on. Make them smaller.') }}
  {%- endif -%}
  {%- if split.group is not none -%}{%- do mlbridge.one_name(node, 'split.group', split.group) -%}{%- endif -%}
  {{ return(split) }}
{% endmacro %}

{% macro read_retrain(node, found) %}
  {#- SQL uses `max_drift` only; the training node decides with all keys. -#}
  {%- set keys = ['max_age', 'max_drift', 'max_decay', 'min_new_labels', 'cool_down'] -%}
  {%- set retrain = dict({'max_drift': none}, **mlbridge.known_keys(node, 'retrain', found, keys)) -%}
  {%- if retrain.max_drift is not none -%}
    {%- do mlbridge.one_number(node, 'retrain.max_drift', retrain.max_drift, 'a number above 0', 0, none) -%}
  {%- endif -%}
  {{ return(retrain) }}
{% endmacro %}

{% macro read_monitor(node, found) %}
  {#- The training node checks the names of metrics and features in thresholds. -#}
  {%- set defaults = {'window': 'month', 'slices': none, 'thresholds': none, 'feature_thresholds': none} -%}
  {%- set monitor = dict(defaults, **mlbridge.known_keys(node, 'monitor', found, defaults)) -%}
  {{ return({
    'window': mlbridge.one_of(node, 'monitor.window', monitor.window, ['day', 'week', 'month']),
    'slices': mlbridge.names_of(node, 'monitor.slices', monitor.slices),
    'thresholds': monitor.thresholds or {},
    'feature_thresholds': monitor.feature_thresholds or {},
  }) }}
{% endmacro %}

{% macro read_canary(node, found) %}
  {#- The share of the entities that the challenger answers in `mlbridge serve`; 0 without one. -#}
  {{ return(0 if found is none else mlbridge.one_number(node, 'canary', found, 'a number between 0 and 1', 0, 1)) }}
{% endmacro %}

{% macro read_retire(node, found, pin) %}
  {%- set versions = [] if found is none else found -%}
  {%- if versions is string or versions is mapping or versions is not iterable -%}
    {{ mlbridge.refuse_key(node, 'retire', 'expected a list of versions such as [3], found ' ~ mlbridge.shown(found) ~ '.') }}
  {%- endif -%}
  {%- for version in versions -%}{%- do mlbridge.one_version(node, 'retire', version) -%}{%- endfor -%}
  {%- if pin in versions -%}
    {{ mlbridge.refuse_key(node, 'retire', 'names version ' ~ pin ~ ', which `pin` names as well. Remove one of the two.') }}
  {%- endif -%}
  {{ return(versions | unique | sort) }}
{% endmacro %}
