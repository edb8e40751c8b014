{% macro split(features) %}
  {#-
    The rows of `<model>_features` with `ml_split`: one of train, validation, test, score.
    Rows predicted after `as_of` are left out, and a target whose `label_time` lies after it is NULL: at that
    moment nobody knows them. `score` is a row that takes no part in a training: its target is NULL or, by time,
    it lies in the gap or its outcome was not known yet at the cut-off.
  -#}
  {%- if not execute -%}{{ return('select * from ' ~ features) }}{%- endif -%}
  {%- if not model.name.endswith('_split') -%}
    {{ mlbridge.refuse(model.name, "a node that calls mlbridge.split must be called `<model>_split`.") }}
  {%- endif -%}
  {%- set spec = mlbridge.spec(model.name[:-6]) -%}
  {%- set names = adapter.get_columns_in_relation(features) | map(attribute='name') | list -%}
  {{ mlbridge.split_columns_exist(spec, names) }}
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
    {#- A NULL here is an error that the training names; dropping the row would hide it. #}
    where {{ time }} <= {{ as_of }} or {{ time }} is null
  ),

  {% if spec.split.by == 'time' -%}
    {{ mlbridge.split_by_time(spec.split, time, label_time, target) }}
  {%- elif spec.split.by == 'hash' -%}
    {{ mlbridge.split_by_hash(spec.split, [spec.split.group] if spec.split.group else spec.entity, target) }}
  {%- else -%}
    {{ mlbridge.split_by_column(mlbridge.quoted(spec.split.by), target) }}
  {%- endif %}

  select * from final
{% endmacro %}

{% macro split_columns_exist(spec, names) %}
  {%- if 'ml_split' in names | map('lower') -%}
    {{ mlbridge.refuse(model.name, "the features node has a column 'ml_split', which this node adds. Rename it there; "
      ~ "a column that says the words is named by `split: {by: ...}`.") }}
  {%- endif -%}
  {%- set said = {
    'target': [spec.target], 'entity': spec.entity, 'time': [spec.time], 'label_time': [spec.get('label_time')],
    'split.group': [spec.split.group],
    'split.by': [spec.split.by if spec.split.by not in ['time', 'hash'] else none],
  } -%}
  {%- for key, columns in said.items() -%}
    {%- for column in columns if column is not none and names and column not in names -%}
      {{ mlbridge.refuse(model.name, "`mlbridge." ~ key ~ "` names the column '" ~ column ~ "', which the features "
        ~ "node does not have." ~ mlbridge.nearest(column, names + (['time', 'hash'] if key == 'split.by' else [])) ~ " Its columns: " ~ names | join(', ') ~ ".") }}
    {%- endfor -%}
  {%- endfor -%}
{% endmacro %}
