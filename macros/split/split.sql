{% macro split(features) %}
  {#-
    The rows of `<model>_features` with `ml_split`, one of train, validation, test, score, and `ml_split_definition`, which
    says what the split was made from.
    Rows predicted after `as_of` are left out, and a target whose `label_time` lies after it is NULL: at that
    moment nobody knows them. `score` is a row that takes no part in a training: its target is NULL; by time, it lies
    in the gap or its outcome was not known yet at the cut-off; by a column, the column says so.
  -#}
  {%- if not execute -%}{{ return('select * from ' ~ features) }}{%- endif -%}
  {%- if not model.name.endswith('_split') -%}
    {{ mlbridge.refuse(model.name, "a node that calls mlbridge.split must be called `<model>_split`.") }}
  {%- endif -%}
  {%- set spec = mlbridge.spec(model.name[:-6]) -%}
  {%- set columns = adapter.get_columns_in_relation(features) -%}
  {%- set names = columns | map(attribute='name') | list -%}
  {{ mlbridge.split_columns_exist(spec, names) }}
  {{ mlbridge.split_times_are_moments(spec, columns) }}
  {%- set time = mlbridge.quoted(spec.time) -%}
  {%- set target = mlbridge.quoted(spec.target) -%}
  {%- set label_time = mlbridge.quoted(spec.get('label_time') or spec.time) -%}
  {%- set as_of = "cast('" ~ mlbridge.as_of() ~ "' as timestamp)" -%}
  with features as (
    select * from {{ features }}
  ),

  known as (
    select
      {% for name in names if name != spec.target %}{{ mlbridge.quoted(name) }}, {% endfor %}
      case when {{ label_time }} <= {{ as_of }} then {{ target }} end as {{ target }}
    from features
    {#- A NULL time is an error that the training node reports; dropping the row would hide it. #}
    where {{ time }} <= {{ as_of }} or {{ time }} is null
  ),

  {% if spec.split.by == 'time' -%}
    {{ mlbridge.split_by_time(spec.split, time, label_time, target) }}
  {%- elif spec.split.by == 'hash' -%}
    {{ mlbridge.split_by_hash(spec.split, [spec.split.group] if spec.split.group else spec.entity, target) }}
  {%- else -%}
    {{ mlbridge.split_by_column(mlbridge.quoted(spec.split.by), target) }}
  {%- endif %}

  select final.*, {{ mlbridge.split_definition_column(spec) }} as ml_split_definition
  from final
{% endmacro %}

{% macro split_columns_exist(spec, names) %}
  {%- for name in ['ml_split', 'ml_split_definition'] if name in names | map('lower') -%}
    {{ mlbridge.refuse(model.name, "the features node has a column '" ~ name ~ "', which this node adds. Rename it there; "
      ~ "a column of your own that holds the split is named by `split: {by: ...}`.") }}
  {%- endfor -%}
  {%- set names_by_key = {
    'target': [spec.target], 'entity': spec.entity, 'time': [spec.time], 'label_time': [spec.get('label_time')],
    'split.group': [spec.split.group],
    'split.by': [spec.split.by if spec.split.by not in ['time', 'hash'] else none],
    'report': spec.report,
  } -%}
  {%- for key, columns in names_by_key.items() -%}
    {%- for column in columns if column is not none -%}
      {%- do mlbridge.column_exists(key, column, names, ['time', 'hash'] if key == 'split.by' else []) -%}
    {%- endfor -%}
  {%- endfor -%}
{% endmacro %}

{% macro column_exists(key, column, names, words=[]) %}
  {#- Refuses a column that the spec names and that is none of `names`; `words` are what else the key may say. -#}
  {%- if names and column not in names -%}
    {{ mlbridge.refuse(model.name, "`mlbridge." ~ key ~ "` names the column '" ~ column ~ "', which the features "
      ~ "node does not have." ~ mlbridge.nearest(column, names + words) ~ " Its columns: " ~ names | join(', ') ~ ".") }}
  {%- endif -%}
{% endmacro %}

{% macro split_times_are_moments(spec, columns) %}
  {#- Before the engine compares them with the clock. Whether a moment has a time zone is checked by the training. -#}
  {%- for key in ['time', 'label_time'] -%}
    {%- for column in columns if column.name == spec.get(key) and not modules.re.match('timestamp|date', column.dtype | lower) -%}
      {{ mlbridge.refuse(model.name, "`mlbridge." ~ key ~ "`: '" ~ column.name ~ "' is a " ~ column.dtype ~ "; expected a timestamp "
        ~ "without time zone, in UTC, or a date. Convert it in the features node.") }}
    {%- endfor -%}
  {%- endfor -%}
{% endmacro %}
