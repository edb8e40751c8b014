{#
  The metrics of a classification from its rows grouped by class, score and block. A group says how many rows belong to the
  class (`pos`) and how many do not (`neg`), and of each how many were predicted to (`tp`, `fp`): counted where outcomes are
  known, expected where they are not. Both go through the same SQL, so that an estimate and what is later realized mean the
  same.
#}

{% macro classification_metrics(groups, keys, design_effects=none) %}
  {#-
    `groups`: a CTE of `keys`, class_no, block, score, pos, neg, tp, fp, and the sums log, log_square, brier, brier_square, of
    positive rows alone log_pos and brier_pos (those of the logarithm NULL where they cannot be said). Gives the CTEs up to
    `measured`: see `measured_classes`. With `design_effects` (by metric) the blocks have a say, see `block_errors`; without,
    the counts are expected: the order of the rows within a group is not known, and blocks are not looked at.
    With two classes only the positive one is there. With many, precision, recall and F1 are means over the classes that
    occur or were predicted, ROC AUC and average precision over those with both kinds of rows, each against the rest:
    as mlbridge/metrics.py defines them.
  -#}
  {%- set key = keys | join(', ') -%}
  {%- set of_class = 'partition by ' ~ key ~ ', class_no' -%}
  {%- set upwards = '(' ~ of_class ~ ' order by score range between unbounded preceding and current row)' -%}
  {%- set from_here = '(' ~ of_class ~ ' order by score range between current row and unbounded following)' -%}
  ranked as (
    select
      {{ groups }}.*,
      sum(pos) over {{ upwards }} as pos_to,
      sum(neg) over {{ upwards }} as neg_to,
      sum(pos) over {{ from_here }} as pos_from,
      sum(neg) over {{ from_here }} as neg_from,
      sum(pos) over ({{ of_class }}) as pos_all,
      sum(neg) over ({{ of_class }}) as neg_all
    from {{ groups }}
  ),

  -- the share of the negatives below each positive and of the positives above each negative, half of those beside it; the
  -- precision from this score on, and what a row here changes of it at this score and all below
  placed as (
    select
      ranked.*,
      (neg_to + neg_all - neg_from) / 2 / nullif(neg_all, 0) as pos_place,
      (pos_from + pos_all - pos_to) / 2 / nullif(pos_all, 0) as neg_place,
      pos_from / nullif(pos_from + neg_from, 0) as right_from,
      sum(pos / nullif(pos_from + neg_from, 0)) over {{ upwards }} as gained,
      sum(pos * pos_from / nullif((pos_from + neg_from) * (pos_from + neg_from), 0)) over {{ upwards }} as paid
    from ranked
  ),

  of_block as (
    select
      {{ key }},
      class_no,
      block,
      sum(pos) as pos,
      sum(pos + neg) as n,
      sum(tp) as tp,
      sum(tp + fp) as predicted,
      sum(neg - fp) as tn,
      sum(pos * pos_place) as pos_places,
      sum(pos * pos_place * pos_place) as pos_squares,
      sum(neg * neg_place) as neg_places,
      sum(neg * neg_place * neg_place) as neg_squares,
      sum(pos * right_from) as precisions,
      {% if design_effects is none -%}
      sum(pos / nullif(pos + neg, 0) * {{ mlbridge.spread_precision() }}) as precisions_spread,
      {% endif -%}
      sum(pos * (right_from + gained - paid)) as pos_turns,
      sum(neg * -paid) as neg_turns,
      sum(pos * power(right_from + gained - paid, 2) + neg * paid * paid) as turn_squares,
      sum(log) as log,
      sum(log_square) as log_square,
      sum(log_pos) as log_pos,
      sum(brier) as brier,
      sum(brier_square) as brier_square,
      sum(brier_pos) as brier_pos
    from placed
    group by {{ key }}, class_no, block
  ),

  {{ mlbridge.measured_classes(key, design_effects) }}
{% endmacro %}

{% macro spread_precision() %}
  {#-
    The sum of the precisions at each row of a group whose positives lie anywhere in it: with A positives and N rows above,
    the integral of (A + c x) / (N + x) over the group's rows, c its share of positives.
  -#}
  {%- set above = '(pos_from + neg_from - pos - neg)' -%}
  (
    pos + (pos_from - pos - pos / nullif(pos + neg, 0) * {{ above }})
    * ln(({{ above }} + pos + neg + 0.5e0) / ({{ above }} + 0.5e0))
  )
{%- endmacro %}
