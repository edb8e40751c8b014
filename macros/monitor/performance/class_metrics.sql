{# The table of the metrics of a classification. #}

{% macro class_metrics() %}
  {#-
    By metric, as SQL over the columns of `of_all` unless said otherwise:
    - `value` and its `variance` for independent rows: aggregates over the classes of `of_class`. A mean of losses has
      instead the `loss` that `loss_sums` are made of; where these are expected sums, `by_class` says that its squares are
      known by class only;
    - `perfect`, and the naive `baseline` on the same rows;
    - `slope`: the derivative of the baseline by its `driver`, the share of positives (for recall the share of rows that
      are predicted positive); `with_driver`: the covariance of a row's influence on the metric with the driver;
    - `influence`: the sum of the influences of a block's rows on the metric of one class, divided by n, over the block's
      sums (`b`) and those of the class (`c`); `over`: the number of classes that are averaged;
    - `support`: the number of rows that limits how well the metric is known; for a mean over classes that of the
      smallest.
    The influence for average precision is that of the functional E[P(Y = 1 | S >= s) | Y = 1]: a positive adds the
    precision at its own score, and every row changes the precisions at all scores below its own. For ROC AUC it is the
    placements of DeLong, summed by block as in Obuchowski (Biometrics 53, 1997). Precision, recall and F1 are ratios of
    sums.
  -#}
  {%- set share, flagged = 'share', 'flagged' -%}
  {%- set hits = 'sum(case when classes = 1 then tp + tn else tp end)' -%}
  {%- set found = 'coalesce(found_share, case when classes > 1 then 0 end)' -%}
  {{ return({
    'average_precision': {
      'value': 'avg(ap_seen)', 'variance': mlbridge.variance_of_mean('ap_variance', 'ap'),
      'perfect': '1', 'baseline': 'share', 'slope': '1', 'driver': share, 'support': 'least_pos',
      'with_driver': 'ap_with', 'influence': '(b.pos_turns + b.neg_turns - b.pos * c.ap) / nullif(c.pos, 0)', 'over': 'ap_count'},
    'roc_auc': {
      'value': 'avg(auc)', 'variance': mlbridge.variance_of_mean('auc_variance', 'auc'),
      'perfect': '1', 'baseline': '0.5e0', 'slope': '0', 'driver': share, 'support': 'rarer',
      'with_driver': '0', 'over': 'auc_count',
      'influence': '(b.pos_places - b.pos * c.auc) / nullif(c.pos, 0) + (b.neg_places - (b.n - b.pos) * c.auc) / nullif(c.n - c.pos, 0)'},
    'log_loss': {
      'loss': 'log',
      'perfect': '0', 'baseline': 'entropy', 'slope': 'ln((1 - share) / nullif(share, 0))', 'driver': share, 'support': 'n',
      'with_driver': 'log_pos / n - log_loss_value * share', 'influence': 'b.log / c.n - b.n * c.log / c.n / c.n', 'over': '1'},
    'brier': {
      'loss': 'brier', 'by_class': true,
      'perfect': '0', 'baseline': 'gini', 'slope': '(1 - 2 * share)', 'driver': share, 'support': 'n',
      'with_driver': 'brier_pos / n - brier_value * share', 'influence': 'b.brier / c.n - b.n * c.brier / c.n / c.n', 'over': '1'},
    'accuracy': {
      'value': hits ~ ' / nullif(max(n), 0)', 'variance': hits ~ ' / max(n) * (1 - ' ~ hits ~ ' / max(n)) / max(n)',
      'perfect': '1', 'baseline': 'majority', 'slope': '0', 'driver': share, 'support': 'n',
      'with_driver': 'tp / n - accuracy_value * share', 'over': '1',
      'influence': '(case when c.classes = 1 then b.tp + b.tn else b.tp end) / c.n - b.n * (case when c.classes = 1 then c.tp + c.tn else c.tp end) / c.n / c.n'},
    'precision': {
      'value': mlbridge.mean_of_classes('coalesce(right_share, 0)'),
      'variance': mlbridge.variance_of_classes('right_share * (1 - right_share) / predicted', 'coalesce(right_share, 0)'),
      'perfect': '1', 'baseline': 'share', 'slope': '1', 'driver': share, 'support': 'least_predicted',
      'with_driver': 'precision_value * (1 - precision_value)', 'over': 'counted',
      'influence': '(b.tp - c.right_share * b.predicted) / nullif(c.predicted, 0)'},
    'recall': {
      'value': mlbridge.mean_of_classes(found), 'variance': mlbridge.variance_of_classes('found_share * (1 - found_share) / pos', found),
      'perfect': '1', 'baseline': 'flagged', 'slope': '1', 'driver': flagged, 'support': 'least_pos',
      'with_driver': 'recall_value * (1 - recall_value)', 'over': 'counted',
      'influence': '(b.tp - c.found_share * b.pos) / nullif(c.pos, 0)'},
    'f1': {
      'value': 'avg(f1)', 'variance': mlbridge.variance_of_mean(mlbridge.f1_variance(), 'f1'),
      'perfect': '1', 'baseline': 'f1_of_all', 'slope': '2 / power(1 + share, 2)', 'driver': share, 'support': 'least_touched',
      'with_driver': '(2 * tp - f1_value * (tp + pos)) / nullif(predicted + pos, 0)', 'over': 'counted',
      'influence': '(2 * b.tp - c.f1 * (b.predicted + b.pos)) / nullif(c.predicted + c.pos, 0)'},
  }) }}
{% endmacro %}

{% macro loss_sums() %}
  {#-
    The sums that mean losses and their errors are made of, for each loss: of its first three powers, and of the losses of
    positives.
  -#}
  {%- set sums = [] -%}
  {%- for metric in mlbridge.class_metrics().values() if metric.loss -%}
    {%- for power in ['', '_square', '_cube', '_pos'] -%}{%- do sums.append(metric.loss ~ power) -%}{%- endfor -%}
  {%- endfor -%}
  {{ return(sums) }}
{% endmacro %}

{% macro share_metrics() %}
  {#-
    The metrics between 0 and 1 that are shares of rows, or means of such, as a list in SQL: all of a classification but
    the mean losses.
  -#}
  {%- set names = [] -%}
  {%- for name, metric in mlbridge.class_metrics().items() if not metric.loss -%}{%- do names.append(mlbridge.text(name)) -%}{%- endfor -%}
  {{ return('(' ~ names | join(', ') ~ ')') }}
{% endmacro %}
