{# The rows of one version counted by window, feature, slice and bin, in one scan. #}

{% macro count_bins(source, documents, entries, most=none) %}
  {#-
    `source` selects `window_start`, `value_<k>` of each feature, and the columns that `entries` name. Categories from bin
    `most` on count as one bin (default `folded`).
  -#}
  {%- set number = mlbridge.type_double() -%}
  {%- set types = {'slice': dbt.type_string(), 'bin': dbt.type_int(), 'value': number, 'overshoot': number, 'companion': number} -%}
  {%- set features, columns = {}, {} -%}
  {%- for name, type in types.items() -%}{%- do columns.update({name: {'type': type, 'cases': {}}}) -%}{%- endfor -%}
  {%- for entry in entries -%}
    {%- set item_no = loop.index0 -%}
    {%- do features.update({item_no: mlbridge.text(entry.feature)}) -%}
    {%- for name in types if entry.get(name) is not none -%}{%- do columns[name].cases.update({item_no: entry[name]}) -%}{%- endfor -%}
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

  outcomes as (
    select binned.*, cast({{ mlbridge.outcome_of(documents) }} as {{ number }}) as outcome
    from binned
  ),

  entries as (
    {{ mlbridge.by_item('outcomes', ['window_start', 'outcome'], columns, entries | length) }}
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
    {{ mlbridge.pick('item_no', features) }} as feature,
    coalesce(slice, 'all') as slice,
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
