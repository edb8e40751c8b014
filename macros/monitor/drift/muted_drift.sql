{% macro muted_drift() %}
  {#- Why a row of `ml_drift` cannot be an alert, or is none although its value is above the threshold: the first reason that applies,
    NULL without one. All but the last apply whatever the value is. -#}
  case
    when value is null then 'no value in the window or in the baseline'
    when rows_used < {{ mlbridge.enough_rows() }} then 'fewer than {{ mlbridge.enough_rows() }} rows'
    when rows_baseline < {{ mlbridge.enough_rows() }} then 'fewer than {{ mlbridge.enough_rows() }} rows in the baseline'
    when not may_alert and not is_over then 'the window is not over'
    when not may_alert and rows_used < rows_typical / 10 then 'fewer than a tenth of the rows of a usual window'
    when not may_alert then 'fewer than a tenth of the rows of a usual window in the baseline'
    when bins <= 1 and metric in {{ mlbridge.metrics_that('needs_bins') }} then 'one bin only: training had one value'
    when {{ mlbridge.by_drift_metric('is_out_of_reach') }} then 'the threshold is more than the metric can be'
    when is_above and is_within_chance then 'a few far values: all others are within chance'
  end
{%- endmacro %}
