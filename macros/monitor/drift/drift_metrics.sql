{# The SQL of the drift metrics. Their names, formulas, sources and floors are in `mlbridge/catalogue/drift.py`, in the same order. #}

{% macro drift_metrics() %}
  {#-
    The properties of each metric, as SQL:
    - `value`: an aggregate over the bins of a window and its baseline (the CTE `gaps` of `int_ml_drift_wide`); NULL where it is
      not defined;
    - `where`: which features and baselines have the metric, over the columns of `int_ml_drift_wide`;
    - `scale`: what it is proportional to when the number of rows grows;
    - `noise`: the value that the metric of two samples of one distribution exceeds with a probability of at most `alpha`, over the
      columns of `int_ml_drift_thresholds` (docs/monitor.md has the sources);
    - `greatest`: its greatest possible value; NULL without a bound. `usual_share`: the share of that which may count as usual,
      however much the windows of the training period differ;
    - `is_out_of_reach`: whether no value can exceed the threshold;
    - `is_within_chance`: whether a value above the threshold may still come from a few extreme values.
    True or false: `is_signed`, where a value below 0 is as much of a change as one above; `is_squared`, where it is the
    square of a distance; `counts_nulls`, where rows without a value count; `needs_bins`, where a feature of one bin
    cannot change. What an entry leaves out is in `drift_metric_defaults`.
  -#}
  {%- set has_partners = "baseline = 'training' and partner_correlation is not null" -%}
  {{ return({
    'psi': {
      'value': 'sum(case when bin >= 0 then ' ~ mlbridge.psi_term() ~ ' end)',
      'noise': 'inverse_rows * ' ~ mlbridge.chi_square_quantile('psi_mean', 'psi_variance', 'deviations'),
      'is_squared': true, 'needs_bins': true},
    'js_distance': {
      'value': mlbridge.js_distance(),
      'noise': 'sqrt(inverse_rows * ' ~ mlbridge.chi_square_quantile('js_mean', 'js_variance', 'deviations') ~ ' / 8)',
      'greatest': 'sqrt(ln(2e0))', 'needs_bins': true},
    'ks': {
      'value': "max(case when kind = 'numeric' and bin >= 0 then abs(cdf_gap) end)",
      'where': "kind = 'numeric'", 'greatest': '1e0', 'needs_bins': true},
    'wasserstein': {
      'value': mlbridge.wasserstein(), 'where': "kind = 'numeric'",
      'noise': 'deviations * sqrt(inverse_rows)', 'is_within_chance': mlbridge.is_of_few_values()},
    'chi_square': {
      'value': mlbridge.chi_square(), 'where': "kind = 'category'",
      'scale': 'rows_used * rows_baseline / nullif(rows_used + rows_baseline, 0)',
      'noise': mlbridge.chi_square_quantile('chi_square_mean', 'chi_square_variance', 'deviations'),
      'is_squared': true, 'needs_bins': true},
    'null_share_change': {
      'value': 'rows_null / nullif(rows_all, 0) - baseline_rows_null / nullif(baseline_rows_all, 0)',
      'where': "feature not in ('ml_prediction', 'ml_target')",
      'greatest': 'greatest(baseline_null_share, 1 - baseline_null_share)', 'is_signed': true, 'counts_nulls': true},
    'unseen_share': {
      'value': mlbridge.unseen_share(), 'where': "baseline = 'training'",
      'noise': mlbridge.unseen_by_chance(), 'greatest': '1e0', 'usual_share': '0.5e0'},
    'association_change': {
      'value': '1 - ' ~ mlbridge.correlation('partner_mean', 'companions', 'companion_sum', 'companion_square') ~ ' / max(partner_correlation)',
      'where': has_partners, 'noise': mlbridge.lost_correlation_by_chance(), 'greatest': '1e0',
      'is_out_of_reach': 'fixed is null and threshold >= greatest_value'},
    'association_shift': {
      'value': 'abs(sum(case when partner_mean is not null then companion_sum end) - sum(partner_mean * companions))'
        ~ ' / nullif(sum(case when partner_mean is not null then companions end), 0)',
      'where': has_partners, 'greatest': '0.5e0', 'is_out_of_reach': 'false'},
  }) }}
{% endmacro %}

{% macro drift_metric_defaults() %}
  {#- The properties of a metric that leaves them out. `noise` is the bound of Smirnov for `ks` and of Hoeffding for a change of
    a share or of a mean rank. -#}
  {{ return({
    'where': 'true',
    'scale': '1',
    'noise': 'sqrt(inverse_rows * ln(2 / alpha) / 2)',
    'greatest': 'null',
    'usual_share': '0.9e0',
    'is_out_of_reach': 'threshold >= greatest_value',
    'is_within_chance': 'false',
  }) }}
{% endmacro %}
