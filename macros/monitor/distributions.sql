{# The rows of one version counted by window, feature, slice and bin, in one scan of them. #}

{% macro count_bins(source, documents, entries) %}
  {#-
    `source` selects `window_start`, `value_<k>` of each feature and what `entries` name; its bins are found here.
    Each row is paired with the numbers of the entries: an engine streams that, so that memory does not grow with the rows.
  -#}
  {%- set cases = {'feature': {}, 'slice': {}, 'bin': {}, 'overshoot': {}, 'companion': {}} -%}
  {%- for entry in entries -%}
    {%- set place = loop.index0 -%}
    {%- for key, value in entry.items() if value is not none -%}
      {%- do cases[key].update({place: mlbridge.text(value) if key == 'feature' else value}) -%}
    {%- endfor -%}
  {%- endfor -%}
  with source as (
    {{ source }}
  ),

  binned as (
    {{ mlbridge.bins_of_features(documents) }}
  ),

  entries as (
    select
      binned.window_start,
      places.place,
      {{ mlbridge.pick('places.place', cases.slice) }} as slice,
      {{ mlbridge.pick('places.place', cases.bin) }} as bin,
      cast({{ mlbridge.pick('places.place', cases.overshoot) }} as {{ mlbridge.type_double() }}) as overshoot,
      cast({{ mlbridge.pick('places.place', cases.companion) }} as {{ mlbridge.type_double() }}) as companion
    from binned
    cross join {{ mlbridge.numbers(entries | length) }} as places
  ),

  counted as (
    select
      window_start,
      place,
      slice,
      bin,
      count(*) as n,
      sum(overshoot) as overshoot,
      count(companion) as companions,
      sum(companion) as companion_sum,
      sum(companion * companion) as companion_square
    from entries
    group by window_start, place, slice, bin
  )

  select
    window_start,
    {{ mlbridge.pick('place', cases.feature) }} as feature,
    coalesce(cast(slice as {{ dbt.type_string() }}), 'all') as slice,
    bin, n, overshoot, companions, companion_sum, companion_square
  from counted
{% endmacro %}

{% macro bins_of_features(documents) %}
  {#- `source` with the bin of each feature; a category's comes from the profile by a join. -#}
  {%- set bins, joins = [], [] -%}
  {%- for feature in documents.features -%}
    {%- set place, records = loop.index0, documents.profile[feature.name] -%}
    {%- if feature.kind == 'numeric' -%}
      {%- do bins.append(mlbridge.numeric_bin('source.value_' ~ place, records) ~ ' as bin_' ~ place) -%}
    {%- else -%}
      {%- set listed = 'listed_' ~ place -%}
      {%- do bins.append(mlbridge.category_bin('source.value_' ~ place, listed ~ '.bin', records) ~ ' as bin_' ~ place) -%}
      {%- do joins.append('left join (' ~ mlbridge.listed(documents, feature.name) ~ ') as ' ~ listed ~ ' on source.value_'
        ~ place ~ ' = ' ~ listed ~ '.category') -%}
    {%- endif -%}
  {%- endfor -%}
  select source.*{% for each in bins %}, {{ each }}{% endfor %}
  from source
  {{ joins | join(' ') }}
{% endmacro %}

{% macro scored_source(name, documents, columns, refs, starts) %}
  {#- The rows that a version has scored in some windows, with the values that they had. -#}
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
    and {{ mlbridge.is_new('predictions', 'versions') }}
    and {{ mlbridge.window_start(monitor.window, 'predictions.time') }} in (
      {%- for start in starts %}{{ mlbridge.moment(start) }}{{ ', ' if not loop.last }}{% endfor -%}
    )
{% endmacro %}

{% macro training_source(name, documents, columns, refs) %}
  {#- All rows of a version's training period, whether they were trained on or not: what its windows look like by themselves. -#}
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
  {%- set values = [] -%}
  {%- for feature in documents.features -%}
    {%- do values.append(mlbridge.value_of(columns[feature.name], feature.kind, 'facts') ~ ' as value_' ~ loop.index0) -%}
  {%- endfor -%}
  {{ return(values | join(',\n    ')) }}
{% endmacro %}

{% macro same_row(predictions, facts, spec) %}
  {{ return(predictions ~ '.entity = ' ~ mlbridge.key_as_text(spec.entity, facts) ~ ' and ' ~ predictions ~ '.time = cast(' ~ facts ~ '.'
    ~ mlbridge.quoted(spec.time) ~ ' as timestamp)') }}
{% endmacro %}
