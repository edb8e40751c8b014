{# The rows to count, with the values as the version saw them. #}

{% macro scored_source(name, documents, columns, refs, starts) %}
  {#- The rows that a version has scored in the windows `starts`; what requests gave is read from them, and not from the split. -#}
  {%- set spec = mlbridge.spec(name) -%}
  {%- set by_key = mlbridge.same_row('predictions', 'facts', spec) -%}
  {%- if not mlbridge.has_requests(name, refs.predictions) -%}
    {{ return(mlbridge.scored_rows(name, documents, columns, refs, starts, refs.split, by_key)) }}
  {%- endif -%}
  {%- set key, time = mlbridge.quoted('ml entity'), mlbridge.quoted('ml time') -%}
  {%- set asked = '(' ~ mlbridge.requested_facts(name, documents, columns, refs) ~ ')' -%}
  {%- set asked_by_key = 'predictions.entity = facts.' ~ key ~ ' and predictions.time = facts.' ~ time -%}
  {{ return(
    mlbridge.scored_rows(name, documents, columns, refs, starts, refs.split, by_key ~ ' and predictions.request_id is null')
    ~ ' union all ' ~ mlbridge.scored_rows(name, documents, columns, refs, starts, asked, asked_by_key ~ ' and predictions.request_id is not null')
  ) }}
{% endmacro %}

{% macro scored_rows(name, documents, columns, refs, starts, facts, condition) %}
  {#- The predictions of a version in the windows `starts`, each beside its values in the relation `facts`, which `condition` joins. -#}
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
  inner join {{ facts }} as facts on {{ condition }}
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

{% macro requested_facts(name, documents, columns, refs) %}
  {#-
    The rows that requests have asked a version for, in the columns of the split: the features that they gave, in its types, and the
    target and slices of the split's own row of the same key and time, if it has one. A request of which a feature was not recorded is left out.
  -#}
  {%- set spec, chosen, own = mlbridge.spec(name), [], documents.features | rejectattr('name', 'equalto', 'ml_target') | map(attribute='name') | list -%}
  {%- for feature in own -%}
    {%- do chosen.append(mlbridge.typed(mlbridge.parsed_text('asked.given', feature), columns[feature].dtype) ~ ' as ' ~ mlbridge.quoted(feature)) -%}
  {%- endfor -%}
  {%- for column in ([spec.target] + mlbridge.monitor(name).slices) | unique(case_sensitive=true) if column not in own -%}
    {%- do chosen.append('facts.' ~ mlbridge.quoted(column)) -%}
  {%- endfor -%}
  select
    asked.entity as {{ mlbridge.quoted('ml entity') }},
    asked.time as {{ mlbridge.quoted('ml time') }},
    {{ chosen | join(',\n    ') }}
  from (
    select entity, time, {{ mlbridge.parsed('features', own) }} as given
    from {{ refs.predictions }}
    where
      request_id is not null
      and version = {{ documents.version }}
      and prediction is not null
      and features is not null
  ) as asked
  left join {{ refs.split }} as facts on {{ mlbridge.same_row('asked', 'facts', spec) }}
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
