{# From sums by block to the metrics of each class, and of all classes together. #}

{% macro of_class(key, expected) %}
  {#- One row per `key` and class: the metrics of the class against the rest, with their variances for independent rows. -#}
  {%- set sums = ['pos', 'n', 'tp', 'predicted', 'tn', 'pos_places', 'pos_squares', 'neg_places', 'neg_squares', 'precisions',
    'own_parts', 'pos_turns', 'turn_squares'] + mlbridge.loss_sums() + (['precisions_spread'] if expected else []) -%}
  select
    summed.*,
    count(*) over (partition by {{ key }}) as classes,
    case when predicted + pos > 0 then 1 else 0 end as occurs,
    tp / nullif(predicted, 0) as right_share,
    tp / nullif(pos, 0) as found_share,
    2 * tp / nullif(predicted + pos, 0) as f1,
    case when n > pos then pos_places / nullif(pos, 0) end as auc,
    {{ mlbridge.auc_variance() }} as auc_variance,
    precisions / nullif(pos, 0) as ap,
    {{ 'precisions_spread' if expected else 'precisions' }} / nullif(pos, 0) as ap_seen,
    (turn_squares - 2 * precisions / nullif(pos, 0) * pos_turns + precisions * precisions / nullif(pos, 0))
    / nullif(pos * pos, 0) as ap_variance,
    (pos_turns - precisions) / nullif(pos, 0) as ap_with,
    (1 - precisions / nullif(pos, 0)) * own_parts / nullif(pos, 0) as ap_optimism
  from (
    select
      {{ key }},
      class_no
      {%- for column in sums %},
      sum({{ column }}) as {{ column }}
      {%- endfor %}
    from of_block
    group by {{ key }}, class_no
  ) as summed
{% endmacro %}

{% macro of_all_classes(key, expected) %}
  {#-
    One row per `key`: the metrics over all classes, their variances for independent rows, and what their baselines are
    made of.
  -#}
  select
    {{ key }},
    max(n) as n,
    max(classes) as classes,
    max(pos) as pos,
    max(tp) as tp,
    sum(predicted) as predicted,
    min(case when classes = 1 or occurs = 1 then pos end) as least_pos,
    min(case when classes = 1 or occurs = 1 then predicted end) as least_predicted,
    min(case when classes = 1 or occurs = 1 then predicted + pos - tp end) as least_touched,
    min(case when 2 * pos > n then n - pos else pos end) as rarer,
    {%- for name in mlbridge.loss_sums() if name.endswith('_pos') %}
    max({{ name }}) as {{ name }},
    {%- endfor %}
    max(ap_with) as ap_with,
    avg(ap_optimism) as ap_optimism,
    count(ap) as ap_count,
    count(auc) as auc_count,
    sum(case when classes = 1 then 1 else occurs end) as counted,
    avg(case when classes = 1 or occurs = 1 then pos / n end) as share,
    avg(case when classes = 1 or occurs = 1 then predicted / n end) as flagged,
    {{ mlbridge.of_shares() }},
    {{ mlbridge.macro_means(expected) }}
  from of_class
  group by {{ key }}
{% endmacro %}

{% macro of_shares() %}
  {#-
    From the shares of the classes: entropy, Gini impurity, the largest share, and the F1 of always predicting the most
    frequent class.
  -#}
  {%- set other = '(1 - pos / n)' -%}
  -coalesce(sum(pos / n * ln(nullif(pos / n, 0))), 0)
  - coalesce(max(case when classes = 1 and pos < n then {{ other }} * ln({{ other }}) end), 0) as entropy,
  case when max(classes) = 1 then max(pos / n * {{ other }}) else 1 - sum(pos / n * pos / n) end as gini,
  max(case when classes = 1 and 2 * pos < n then {{ other }} else pos / n end) as majority,
  2 * max(pos / n) / (1 + max(pos / n)) / nullif(sum(case when classes = 1 then 1 else occurs end), 0) as f1_of_all
{%- endmacro %}

{% macro macro_means(expected) %}
  {#- The value and variance of each metric; of a mean of losses also its skewness. -#}
  {%- for name, metric in mlbridge.class_metrics().items() %}
  {%- if metric.loss %}
  {%- set total, squares = 'sum(' ~ metric.loss ~ ')', 'sum(' ~ metric.loss ~ '_square)' %}
  {{ total }} / nullif(max(n), 0) as {{ name }}_value,
  {# expected squares are known by class only: the square of a sum over k classes is at most k times the sum of squares #}
  {{ mlbridge.mean_variance(total, squares ~ (' * max(classes)' if metric.by_class and expected else ''), 'max(n)') }} as {{ name }}_variance,
  {{ mlbridge.mean_skewness(total, squares, 'sum(' ~ metric.loss ~ '_cube)', 'max(n)') }} as {{ name }}_skewness
  {%- else %}
  {{ metric.value }} as {{ name }}_value,
  {{ metric.variance }} as {{ name }}_variance
  {%- endif %}
  {{- ',' if not loop.last }}
  {%- endfor %}
{%- endmacro %}

