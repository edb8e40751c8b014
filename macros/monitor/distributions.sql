{# The rows of one version counted by window, feature, slice and bin, in one scan of them. #}

{% macro count_bins(source, documents, entries) %}
  {#-
    `source` selects `window_start`, `value_<k>` of each feature and what `entries` name; its bins are found here.
    Each row is paired with the numbers of the entries: an engine streams that, so that memory does not grow with the rows.
  -#}
  {%- set cases = {'feature': {}, 'slice': {}, 'bin': {}, 'value': {}, 'overshoot': {}, 'companion': {}} -%}
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
      cast({{ mlbridge.pick('places.place', cases.value) }} as {{ mlbridge.type_double() }}) as value,
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
      sum(value) as value_sum,
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
    bin, n, value_sum, overshoot, companions, companion_sum, companion_square
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
