{# The labelled rows of a classification, grouped by score for the macros in classification.sql. #}

{% macro of_classes(rows, classes, design_effects={}) %}
  {#- `rows` has window_start, slice, block, prediction, truth, probability and probabilities. -#}
  with labelled as (
    {{ rows }}
  ),

  scored as (
    {{ mlbridge.scores_of_classes(classes) }}
  ),

  counted as (
    {{ mlbridge.counts_by_score(classes) }}
  ),

  {{ mlbridge.classification_metrics('counted', ['window_start', 'slice'], mlbridge.losses_of_scores(classes | length), design_effects) }}

  select * from measured
{% endmacro %}

{% macro scores_of_classes(classes) %}
  {#- A row of `labelled` and class, of two classes for the positive one only: its score, and whether the row is of the class or was predicted to be. -#}
  {%- set scores, names = {}, {} -%}
  {%- for class in classes -%}
    {%- do names.update({loop.index0: mlbridge.text(class)}) -%}
    {%- do scores.update({loop.index0: mlbridge.item_number('probabilities', loop.index0)}) -%}
  {%- endfor -%}
  select
    window_start,
    slice,
    block,
    item_no as class_no,
    {{ mlbridge.pick('item_no', scores) if classes | length > 2 else 'probability' }} as score,
    case when truth = {{ mlbridge.pick('item_no', names) }} then 1 else 0 end as is_of,
    case when prediction = {{ mlbridge.pick('item_no', names) }} then 1 else 0 end as is_predicted
    {%- if classes | length > 2 %},
    case when item_no = 0 then {{ mlbridge.brier_of_row(scores, names) }} else 0 end as brier_of
    {%- endif %}
  from labelled
  {% if classes | length > 2 -%}
  cross join {{ mlbridge.numbers(classes | length) }} as classes
  {%- else -%}
  cross join (select 1 as item_no) as classes
  {%- endif %}
{%- endmacro %}

{% macro counts_by_score(classes) %}
  {#- The rows of `scored` by class, score and block. Counts instead of sums, whose state takes more memory: there is a group for nearly every row. -#}
  {%- set double = mlbridge.type_double() -%}
  select
    window_start,
    slice,
    block,
    class_no,
    score,
    cast(count(case when is_of = 1 then 1 end) as {{ double }}) as pos,
    cast(count(case when is_of = 0 then 1 end) as {{ double }}) as neg,
    cast(count(case when is_of = 1 and is_predicted = 1 then 1 end) as {{ double }}) as tp,
    cast(count(case when is_of = 0 and is_predicted = 1 then 1 end) as {{ double }}) as fp
    {%- if classes | length > 2 %},
    sum(brier_of) as brier_sum,
    sum(power(brier_of, 2)) as brier_sum_square,
    sum(power(brier_of, 3)) as brier_sum_cube
    {%- endif %}
  from scored
  group by window_start, slice, block, class_no, score
{%- endmacro %}

{% macro losses_of_scores(classes) %}
  {#-
    What the rows of a group add to each of `loss_sums`. With many classes the log loss is that of the row's own class
    only, so that negatives add nothing.
  -#}
  {%- set of_class = mlbridge.surprise('score') -%}
  {%- set of_other = mlbridge.surprise('1 - score') if classes == 2 else '0' -%}
  {#- Smaller scores count as 0: their powers underflow, which is an error in PostgreSQL. -#}
  {%- set score = '(case when score > 1e-50 then score else 0 end)' -%}
  {%- set losses = {
    'log': 'pos * (' ~ of_class ~ ') + neg * (' ~ of_other ~ ')',
    'log_square': 'pos * power(' ~ of_class ~ ', 2) + neg * power(' ~ of_other ~ ', 2)',
    'log_cube': 'pos * power(' ~ of_class ~ ', 3) + neg * power(' ~ of_other ~ ', 3)',
    'log_pos': 'pos * (' ~ of_class ~ ')',
    'brier': 'pos * power(1 - score, 2) + neg * power(' ~ score ~ ', 2)',
    'brier_square': 'pos * power(1 - score, 4) + neg * power(' ~ score ~ ', 4)',
    'brier_cube': 'pos * power(1 - score, 6) + neg * power(' ~ mlbridge.at_least('score', '1e-50') ~ ', 6)',
    'brier_pos': 'pos * power(1 - score, 2)',
  } -%}
  {%- if classes > 2 -%}
    {%- do losses.update({'brier': 'brier_sum', 'brier_square': 'brier_sum_square', 'brier_cube': 'brier_sum_cube', 'brier_pos': '0e0'}) -%}
  {%- endif -%}
  {{ return(losses) }}
{% endmacro %}
