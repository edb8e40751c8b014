{# What each metric of a classification is made of. #}

{% macro class_metrics() %}
  {#-
    By metric: what `perfect` is; the naive `baseline` on the same rows; its `slope` in the share of positives, or, of recall,
    in that of rows predicted positive, which is its `driver`; the covariance `with_driver` of a row's influence with that;
    `influence`, the sum of the rows' influences in a block by n, of one class; `support`, of a mean over classes
    that of the class with the fewest rows. All over the columns of `of_all`, but `influence` over those of a block's class (`b`)
    and of the class (`c`).
    The influence of average precision is that of the functional E[P(Y = 1 | S >= s) | Y = 1]: a positive brings the precision at
    its own score, and each row changes the precisions at all scores below its own. That of ROC AUC is DeLong's places, summed
    by block as by Obuchowski (Biometrics 53, 1997). Precision, recall and F1 are ratios.
  -#}
  {%- set share, flagged = 'share', 'flagged' -%}
  {{ return({
    'average_precision': {
      'perfect': '1', 'baseline': 'share', 'slope': '1', 'driver': share, 'support': 'least_pos',
      'with_driver': 'ap_with', 'influence': '(b.pos_turns + b.neg_turns - b.pos * c.ap) / nullif(c.pos, 0)', 'over': 'ap_count'},
    'roc_auc': {
      'perfect': '1', 'baseline': '0.5e0', 'slope': '0', 'driver': share, 'support': 'rarer',
      'with_driver': '0', 'over': 'auc_count',
      'influence': '(b.pos_places - b.pos * c.auc) / nullif(c.pos, 0) + (b.neg_places - (b.n - b.pos) * c.auc) / nullif(c.n - c.pos, 0)'},
    'log_loss': {
      'perfect': '0', 'baseline': 'entropy', 'slope': 'ln((1 - share) / nullif(share, 0))', 'driver': share, 'support': 'n',
      'with_driver': 'log_pos / n - log_loss_value * share', 'influence': 'b.log / c.n - b.n * c.log / c.n / c.n', 'over': '1'},
    'brier': {
      'perfect': '0', 'baseline': 'gini', 'slope': '(1 - 2 * share)', 'driver': share, 'support': 'n',
      'with_driver': 'brier_pos / n - brier_value * share', 'influence': 'b.brier / c.n - b.n * c.brier / c.n / c.n', 'over': '1'},
    'accuracy': {
      'perfect': '1', 'baseline': 'majority', 'slope': '0', 'driver': share, 'support': 'n',
      'with_driver': 'tp / n - accuracy_value * share', 'over': '1',
      'influence': '(case when c.classes = 1 then b.tp + b.tn else b.tp end) / c.n - b.n * (case when c.classes = 1 then c.tp + c.tn else c.tp end) / c.n / c.n'},
    'precision': {
      'perfect': '1', 'baseline': 'share', 'slope': '1', 'driver': share, 'support': 'least_predicted',
      'with_driver': 'precision_value * (1 - precision_value)', 'over': 'counted',
      'influence': '(b.tp - c.right_share * b.predicted) / nullif(c.predicted, 0)'},
    'recall': {
      'perfect': '1', 'baseline': 'flagged', 'slope': '1', 'driver': flagged, 'support': 'least_pos',
      'with_driver': 'recall_value * (1 - recall_value)', 'over': 'counted',
      'influence': '(b.tp - c.found_share * b.pos) / nullif(c.pos, 0)'},
    'f1': {
      'perfect': '1', 'baseline': 'f1_of_all', 'slope': '2 / power(1 + share, 2)', 'driver': share, 'support': 'least_touched',
      'with_driver': '(2 * tp - f1_value * (tp + pos)) / nullif(predicted + pos, 0)', 'over': 'counted',
      'influence': '(2 * b.tp - c.f1 * (b.predicted + b.pos)) / nullif(c.predicted + c.pos, 0)'},
  }) }}
{% endmacro %}
