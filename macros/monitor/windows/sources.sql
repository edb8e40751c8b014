{# The rows to count, with the values as the version saw them. #}

{% macro scored_source(name, documents, columns, refs, starts) %}
  {#- The rows that a version has scored in the windows `starts`. -#}
  {%- set spec, monitor = mlbridge.spec(name), mlbridge.monitor(name) -%}
  select
    {{ mlbridge.window_start(monitor.window, 'predictions.time') }} as window_start,
    {{ mlbridge.values_of(documents, columns) }},
    coalesce(predictions.probability, predictions.prediction_value) as score,
    {%- for number in documents.steps if documents.classes | length > 2 %}
    {{ mlbridge.item_number('predictions.probabilities', number) }} as score_{{ number }},
    {%- endfor %}
    {%- for slice in monitor.slices %}
    {{ mlbridge.slice_of(slice, 'facts') }} as slice_{{ loop.index0 }},
    {%- endfor %}
    predictions.prediction
  from {{ refs.predictions }} as predictions
  inner join {{ refs.split }} as facts on {{ mlbridge.same_row('predictions', 'facts', spec) }}
  inner join {{ refs.versions }} as versions
    on predictions.version = versions.version and versions.model = {{ mlbridge.text(name) }} and versions.outcome <> 'runner_up'
  where
    predictions.version = {{ documents.version }}
    and predictions.target = {{ mlbridge.text(spec.target) }}
    and predictions.prediction is not null
    and {{ mlbridge.is_new('predictions', 'versions') }}
    and {{ mlbridge.window_start(monitor.window, 'predictions.time') }} in (
      {%- for start in starts %}{{ mlbridge.moment(start) }}{{ ', ' if not loop.last }}{% endfor -%}
    )
{% endmacro %}

{% macro training_source(name, documents, columns, refs) %}
  {#- All rows of a version's training period, trained on or not: the reference for later windows. -#}
  {%- set spec = mlbridge.spec(name) -%}
  {%- set time = 'cast(facts.' ~ mlbridge.quoted(spec.time) ~ ' as timestamp)' -%}
  select
    {{ mlbridge.window_start(mlbridge.monitor(name).window, time) }} as window_start,
    {{ mlbridge.values_of(documents, columns) }}
  from {{ refs.split }} as facts
  inner join {{ refs.versions }} as versions
    on {{ time }} between versions.train_from and versions.train_to
  where
    versions.model = {{ mlbridge.text(name) }}
    and versions.version = {{ documents.version }}
    and versions.outcome <> 'runner_up'
{% endmacro %}

{% macro values_of(documents, columns) %}
  {#- `value_<k>` of each feature, by its index in `documents.features`. -#}
  {%- set values = [] -%}
  {%- for feature in documents.features -%}
    {%- do values.append(mlbridge.value_of(columns[feature.name], feature.kind, 'facts') ~ ' as value_' ~ loop.index0) -%}
  {%- endfor -%}
  {{ return(values | join(',\n    ')) }}
{% endmacro %}
