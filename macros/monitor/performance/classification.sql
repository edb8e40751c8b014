{#
  The metrics of a classification from its rows grouped by class, score and block. A group says how many rows belong to the
  class (`pos`) and how many do not (`neg`), and of each how many were predicted to (`tp`, `fp`): counted where outcomes are
  known, expected where they are not. Both go through the same SQL, so that an estimate and what is later realized mean the
  same.
#}

{% macro classification_metrics(groups, keys, losses, design_effects=none) %}
  {#-
    The CTEs from `groups` to `measured` (see `measured_classes`). `groups` is a CTE of `keys`, class_no, block, score, pos,
    neg, tp, fp. `losses`: what a group adds to the sums of `loss_sums`, as SQL over its columns; a sum that is left out is not known.
    With two classes `groups` holds the positive one. With many, precision, recall and F1 are means over the classes that
    occur or were predicted, ROC AUC and average precision over those with both kinds of rows, each against the rest, as
    mlbridge/evaluation/classification.py defines them; the first class's sums of Brier losses are those of all classes.
    With `design_effects` (by metric) standard errors are by block, see `block_errors`. Without, the counts are expected ones: the
    order of the rows within a group is not known, and errors are those of independent rows.
  -#}
  {{ mlbridge.ranked_groups(groups, keys) }},

  {{ mlbridge.sums_by_block(keys, losses, design_effects is none) }},

  {{ mlbridge.measured_classes(keys | join(', '), design_effects) }}
{% endmacro %}

{% macro sums_by_block(keys, losses, expected) %}
  {#- The CTE `of_block`: what the metrics are made of, summed by class and block. -#}
  {%- set unknown = 'cast(null as ' ~ mlbridge.type_double() ~ ')' -%}
  summed as (
    select
      part,
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
      {% if expected -%}
      sum(pos / nullif(pos + neg, 0) * {{ mlbridge.spread_precision() }}) as precisions_spread,
      {% endif -%}
      sum(pos / nullif(rows_from, 0)) as own_parts,
      sum(pos * (right_from + gained - paid)) as pos_turns,
      sum(neg * -paid) as neg_turns,
      sum(pos * power(right_from + gained - paid, 2) + neg * paid * paid) as turn_squares,
      {%- for name in mlbridge.loss_sums() %}
      sum({{ losses.get(name, unknown) }}) as {{ name }}{{ ',' if not loop.last }}
      {%- endfor %}
    from placed
    group by part, block
  ),

  of_block as (
    select
      {% for each in keys %}parts.{{ each }}, {% endfor -%}
      parts.class_no,
      summed.*
    from summed
    inner join parts on summed.part = parts.part
  )
{%- endmacro %}

{% macro spread_precision() %}
  {#-
    The sum of the precisions at each row of a group whose positives lie anywhere in it: with A positives and N rows above,
    the integral of (A + c x) / (N + x) over the group's rows, c its share of positives.
  -#}
  {%- set above = '(rows_from - pos - neg)' -%}
  (
    pos + (pos_from - pos - pos / nullif(pos + neg, 0) * {{ above }})
    * ln(({{ above }} + pos + neg + 0.5e0) / ({{ above }} + 0.5e0))
  )
{%- endmacro %}
