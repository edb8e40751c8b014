{#
  The metrics of a classification from its rows grouped by class and score. A group says how many rows belong to the class
  (`pos`) and how many do not (`neg`), and of each how many were predicted to (`tp`, `fp`): counted where outcomes are known,
  expected where they are not. Both go through the same SQL, so that an estimate and what is later realized mean the same.
#}

{% macro classification_metrics(groups, keys) %}
  {#-
    `groups`: a CTE of `keys`, class_no, score, pos, neg, tp, fp, and the sums brier, brier_square, log, log_square (the last
    two NULL where they cannot be said). Gives the CTEs up to `measured`: `keys`, metric, value, se (standard error), n.
    With two classes only the positive one is there. With many, precision, recall and F1 are means over the classes that
    occur or were predicted, ROC AUC and average precision over those with both kinds of rows, each against the rest:
    as mlbridge/metrics.py defines them.
  -#}
  {%- set key = keys | join(', ') -%}
  {%- set of_class = '(partition by ' ~ key ~ ', class_no)' -%}
  {%- set upwards = '(partition by ' ~ key ~ ', class_no order by score rows between unbounded preceding and current row)' -%}
  ranked as (
    select
      {{ groups }}.*,
      sum(pos) over {{ of_class }} as pos_all,
      sum(neg) over {{ of_class }} as neg_all,
      sum(neg) over {{ upwards }} - neg as neg_below,
      sum(pos) over {{ of_class }} - sum(pos) over {{ upwards }} + pos as pos_from
    from {{ groups }}
  ),

  of_class as (
    select
      {{ key }},
      class_no,
      count(*) over (partition by {{ key }}) as classes,
      sum(pos) as pos,
      sum(pos + neg) as n,
      sum(tp) as tp,
      sum(tp + fp) as predicted,
      sum(neg - fp) as tn,
      sum(pos * (neg_below + neg / 2e0)) / nullif(max(pos_all) * max(neg_all), 0) as auc,
      sum(pos * (neg_below + neg / 2e0) * (neg_below + neg / 2e0)) / nullif(max(neg_all) * max(neg_all), 0) as pos_places,
      sum(neg * (pos_from - pos / 2e0) * (pos_from - pos / 2e0)) / nullif(max(pos_all) * max(pos_all), 0) as neg_places,
      sum(pos * pos_from / nullif(pos_from + neg_all - neg_below, 0)) / nullif(max(pos_all), 0) as ap,
      sum(brier) as brier,
      sum(brier_square) as brier_square,
      sum(log) as log,
      sum(log_square) as log_square
    from ranked
    group by {{ key }}, class_no
  ),

  with_variances as (
    select
      of_class.*,
      {{ mlbridge.auc_variance() }} as auc_variance,
      {{ mlbridge.share_variance('ap * pos', 'pos') }} as ap_variance,
      {{ mlbridge.share_variance('tp', 'predicted') }} as precision_variance,
      {{ mlbridge.share_variance('tp', 'pos') }} as recall_variance,
      {{ mlbridge.f1_variance() }} as f1_variance,
      case when classes = 1 or predicted + pos > 0 then 1 else 0 end as counts
    from of_class
  ),

  of_all as (
    select
      {{ key }},
      max(n) as n,
      max(classes) as classes,
      sum(case when classes = 1 then tp + tn else tp end) as hits,
      avg(ap) as average_precision,
      sqrt(sum(ap_variance)) / count(ap) as average_precision_se,
      avg(auc) as roc_auc,
      sqrt(sum(auc_variance)) / count(auc) as roc_auc_se,
      sum(log) as log,
      sum(log_square) as log_square,
      sum(brier) as brier,
      sum(brier_square) * max(classes) as brier_square,
      avg(case when counts = 1 then coalesce(tp / nullif(predicted, 0), 0) end) as precision_value,
      sqrt(sum(case when counts = 1 then precision_variance end)) / sum(counts) as precision_se,
      avg(case when counts = 1 then coalesce(tp / nullif(pos, 0), case when classes > 1 then 0 end) end) as recall,
      sqrt(sum(case when counts = 1 then recall_variance end)) / sum(counts) as recall_se,
      avg(2 * tp / nullif(predicted + pos, 0)) as f1,
      sqrt(sum(case when counts = 1 then f1_variance end)) / sum(counts) as f1_se
    from with_variances
    group by {{ key }}
  ),

  measured as (
    {{ mlbridge.long_form('of_all', key, {
      'average_precision': ['average_precision', 'average_precision_se'],
      'roc_auc': ['roc_auc', 'roc_auc_se'],
      'log_loss': ['log / nullif(n, 0)', mlbridge.mean_error('log', 'log_square')],
      'brier': ['brier / nullif(n, 0)', mlbridge.mean_error('brier', 'brier_square')],
      'accuracy': ['hits / nullif(n, 0)', 'sqrt(' ~ mlbridge.share_variance('hits', 'n') ~ ')'],
      'precision': ['precision_value', 'precision_se'],
      'recall': ['recall', 'recall_se'],
      'f1': ['f1', 'f1_se'],
    }) }}
  )
{% endmacro %}
