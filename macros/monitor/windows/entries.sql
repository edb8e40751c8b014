{#
  What is counted of each row, as a list of entries: `feature`, `bin` (SQL) and, where they apply, `slice` (SQL), `value`
  (the number, summed by bin), `overshoot` (how far it lies outside the range of training) and `companion` (another number
  that is summed by bin: for a feature the weighted ranks of its partners, for an estimate the score).
#}

{% macro feature_entries(documents) %}
  {#- The features and the target. The CTE `binned` has `value_<k>` and `bin_<k>` by their index in `documents.features`. -#}
  {%- set places = {} -%}
  {%- for feature in documents.features -%}{%- do places.update({feature.name: loop.index0}) -%}{%- endfor -%}
  {%- set entries = [] -%}
  {%- for feature in documents.features -%}
    {%- set bins = documents.profile[feature.name] -%}
    {%- set entry = {'feature': feature.name, 'bin': 'bin_' ~ loop.index0} -%}
    {%- if feature.kind == 'numeric' -%}
      {%- do entry.update({'value': mlbridge.summable('value_' ~ loop.index0, bins), 'overshoot': mlbridge.overshoot('value_' ~ loop.index0, bins)}) -%}
    {%- endif -%}
    {%- set companion = [] -%}
    {%- for name, weight in bins[0].partners or [] if name in places -%}
      {%- do companion.append(mlbridge.number(weight) ~ ' * ' ~ mlbridge.rank_of_bin('bin_' ~ places[name], documents.profile[name])) -%}
    {%- endfor -%}
    {%- if companion and companion | length == bins[0].partners | length -%}
      {%- do entry.update({'companion': companion | join(' + ')}) -%}
    {%- endif -%}
    {%- do entries.append(entry) -%}
  {%- endfor -%}
  {{ return(entries) }}
{% endmacro %}

{% macro scored_entries(documents, slices) %}
  {#- The prediction, and the scores that performance is estimated from, over all rows and by slice. -#}
  {%- set entries = [] -%}
  {%- if 'ml_prediction' in documents.profile -%}
    {%- set bins = documents.profile['ml_prediction'] -%}
    {%- do entries.append({'feature': 'ml_prediction', 'bin': mlbridge.numeric_bin('score', bins), 'value': mlbridge.summable('score', bins),
      'overshoot': mlbridge.overshoot('score', bins)}) -%}
  {%- endif -%}
  {%- set leaf = mlbridge.leaf(documents) -%}
  {%- for place in range(slices | length + 1) -%}
    {%- set slice = 'slice_' ~ (place - 1) if place else none -%}
    {%- for number, steps in documents.steps.items() -%}
      {%- set score = 'score' if documents.classes | length == 2 else 'score_' ~ number -%}
      {%- set predicted = 'prediction = ' ~ mlbridge.text(documents.classes[number]) -%}
      {%- do entries.append({'feature': 'ml_estimate', 'slice': slice, 'companion': score,
        'bin': mlbridge.step_bin(score, predicted, steps)}) -%}
    {%- endfor -%}
    {%- if leaf is not none -%}
      {%- do entries.append({'feature': 'ml_estimate', 'slice': slice, 'bin': leaf}) -%}
    {%- endif -%}
  {%- endfor -%}
  {{ return(entries) }}
{% endmacro %}

{% macro outcome_of(documents) %}
  {#-
    The outcome of a row as a number that can be summed: of two classes 1 for the positive one, else 0; NULL with more
    classes, and while it is unknown.
  -#}
  {%- set value = 'value_' ~ (documents.features | length - 1) -%}
  {%- if not documents.classes -%}{{ return(mlbridge.summable(value, documents.profile['ml_target'])) }}{%- endif -%}
  {%- if documents.classes | length > 2 -%}{{ return('null') }}{%- endif -%}
  {{ return('case when ' ~ value ~ ' = ' ~ mlbridge.text(documents.classes[1]) ~ ' then 1 when ' ~ value ~ ' is not null then 0 end') }}
{% endmacro %}

{% macro leaf(documents) %}
  {#- The leaf of the regression tree of errors; none without a tree, or where the rows no longer have one of its inputs. -#}
  {%- set values = {'ml_prediction': 'score'} -%}
  {%- for feature in documents.features -%}
    {%- set place = loop.index0 | string -%}
    {%- set last = [documents.profile[feature.name][-1].bin, mlbridge.folded()] | min -%}
    {%- do values.update({feature.name: 'value_' ~ place if feature.kind == 'numeric'
      else '(case when bin_' ~ place ~ ' = -2 then ' ~ last ~ ' else bin_' ~ place ~ ' end)'}) -%}
  {%- endfor -%}
  {%- set inputs = documents.nodes.values() | map(attribute='feature') | reject('none') | list -%}
  {%- set whole = documents.nodes and not inputs | reject('in', values) | list -%}
  {{ return(mlbridge.leaf_of(documents.nodes, values) if whole else none) }}
{% endmacro %}

{% macro slice_of(column, table) %}
  {#-
    The slice of a row, named as in `ml_metrics`: `column=value` or `column=NULL`, quoted where that would be ambiguous, a long
    value shortened. `_slice_name` in `mlbridge/evaluation/evaluate.py` says the same.
  -#}
  {%- set value = mlbridge.shortened('cast(' ~ table ~ '.' ~ mlbridge.quoted(column) ~ ' as ' ~ dbt.type_string() ~ ')') -%}
  {%- set name = '"' ~ column | replace('"', '""') ~ '"' if '=' in column or column.startswith('"') else column -%}
  {%- set quote, quotes = mlbridge.text("'"), mlbridge.text("''") -%}
  {%- set quoted = dbt.concat([quote, 'replace(' ~ value ~ ', ' ~ quote ~ ', ' ~ quotes ~ ')', quote]) -%}
  {{ return(dbt.concat([mlbridge.text(name ~ '='), 'case when ' ~ value ~ " is null then 'NULL' when " ~ value
    ~ " = 'NULL' or " ~ value ~ ' like ' ~ mlbridge.text("'%") ~ ' then ' ~ quoted ~ ' else ' ~ value ~ ' end'])) }}
{% endmacro %}

{% macro same_window(windows, counted, name, version) %}
  {#- Whether a row of `ml_windows` is about the version and the window of a counted one: its counts then tell of a later change. -#}
  {{ windows }}.model = {{ mlbridge.text(name) }}
      and {{ windows }}.version = {{ version }}
      and {{ windows }}.window_start = {{ counted }}.window_start
{%- endmacro %}

{% macro known_slice(slice, name, version) %}
  {#- `all`, and the slices that the training measured, whose number is limited. -#}
  (
    {{ slice }} = 'all'
    or {{ slice }} in (
      select known.slice
      from {{ mlbridge.rows_of(ref('ml_metrics')) }} as known
      where known.model = {{ mlbridge.text(name) }} and known.version = {{ version }}
    )
  )
{%- endmacro %}
