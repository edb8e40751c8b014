{# The rows of one version counted by window, feature, slice and bin, in one scan. #}

{% macro count_bins(source, documents, entries, most=none) %}
  {#-
    `source` selects `window_start`, `value_<k>` of each feature, and the columns that `entries` name. Categories from bin
    `most` on count as one bin (default `folded`). Each row is cross joined with the numbers of the entries, which an
    engine streams, so that memory does not grow with the rows.
  -#}
  {%- set cases = {'feature': {}, 'slice': {}, 'bin': {}, 'value': {}, 'overshoot': {}, 'companion': {}} -%}
  {%- for entry in entries -%}
    {%- set item_no = loop.index0 -%}
    {%- for key, value in entry.items() if value is not none -%}
      {%- do cases[key].update({item_no: mlbridge.text(value) if key == 'feature' else value}) -%}
    {%- endfor -%}
  {%- endfor -%}
  with source as (
    {{ source }}
  ),

  listed as (
    {{ mlbridge.listed(documents) }}
  ),

  binned as (
    {{ mlbridge.bins_of_features(documents, mlbridge.folded() if most is none else most) }}
  ),

  entries as (
    select
      binned.window_start,
      items.item_no,
      {{ mlbridge.pick('items.item_no', cases.slice) }} as slice,
      {{ mlbridge.pick('items.item_no', cases.bin) }} as bin,
      cast({{ mlbridge.pick('items.item_no', cases.value) }} as {{ mlbridge.type_double() }}) as value,
      cast({{ mlbridge.pick('items.item_no', cases.overshoot) }} as {{ mlbridge.type_double() }}) as overshoot,
      cast({{ mlbridge.pick('items.item_no', cases.companion) }} as {{ mlbridge.type_double() }}) as companion,
      cast({{ mlbridge.outcome_of(documents) }} as {{ mlbridge.type_double() }}) as outcome
    from binned
    cross join {{ mlbridge.numbers(entries | length) }} as items
  ),

  counted as (
    select
      window_start,
      item_no,
      slice,
      bin,
      count(*) as n,
      sum(value) as value_sum,
      sum(overshoot) as overshoot,
      count(companion) as companions,
      sum(companion) as companion_sum,
      sum(companion * companion) as companion_square,
      count(outcome) as outcomes,
      sum(outcome) as outcome_sum
    from entries
    group by window_start, item_no, slice, bin
  )

  select
    window_start,
    {{ mlbridge.pick('item_no', cases.feature) }} as feature,
    coalesce(cast(slice as {{ dbt.type_string() }}), 'all') as slice,
    bin, n, value_sum, overshoot, companions, companion_sum, companion_square, outcomes, outcome_sum
  from counted
{% endmacro %}

{% macro bins_of_features(documents, most) %}
  {#- `source` with a column `bin_<k>` for each feature; that of a category comes from a join with the profile. -#}
  {%- set bins, joins = [], [] -%}
  {%- for feature in documents.features -%}
    {%- set place, records = loop.index0, documents.profile[feature.name] -%}
    {%- if feature.kind == 'numeric' -%}
      {%- do bins.append(mlbridge.numeric_bin('source.value_' ~ place, records) ~ ' as bin_' ~ place) -%}
    {%- else -%}
      {%- set listed = 'listed_' ~ place -%}
      {%- do bins.append(mlbridge.category_bin('source.value_' ~ place, listed ~ '.bin', records, most) ~ ' as bin_' ~ place) -%}
      {%- do joins.append('left join listed as ' ~ listed ~ ' on ' ~ listed ~ '.feature = ' ~ mlbridge.text(feature.name) ~ ' and '
        ~ listed ~ '.category = source.value_' ~ place) -%}
    {%- endif -%}
  {%- endfor -%}
  select source.*{% for each in bins %}, {{ each }}{% endfor %}
  from source
  {{ joins | join(' ') }}
{% endmacro %}
