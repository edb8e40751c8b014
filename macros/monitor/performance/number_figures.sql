{# The table of the metrics of a regression. #}

{% macro loss_errors() %}
  {#-
    By name of a standard error: the variance for independent rows, the column with the sum of squares by block, and the
    metric whose design effect applies.
  -#}
  {{ return({
    'squared_error': {'variance': mlbridge.mean_variance('squared', 'fourth', 'valued.n'), 'square': 'squared_square', 'metric': 'rmse'},
    'absolute_error': {'variance': mlbridge.mean_variance('absolute', 'squared', 'valued.n'), 'square': 'absolute_square', 'metric': 'mae'},
    'unexplained_error': {
      'variance': mlbridge.at_least('fourth - 2 * unexplained * crossed + unexplained * unexplained * deviations_fourth', '0')
        ~ ' / valued.n / valued.n / variance / variance',
      'square': 'unexplained_square', 'metric': 'r2'},
    'beside_error': {
      'variance': mlbridge.at_least('squared - 2 * beside_median * loss_spread + beside_median * beside_median * spread_squared', '0')
        ~ ' / nullif(spread * spread, 0)',
      'square': 'beside_square', 'metric': 'mae'},
  }) }}
{% endmacro %}

{% macro number_figures() %}
  {#-
    By metric: the columns of `measured`, for `long_form`. `support` is the effective number of rows of a sum of losses,
    (sum of losses)^2 / sum of their squares (Kish 1965), or that of the baseline's losses if it is less: few where the
    tails are heavy.
  -#}
  {%- set unknown = 'null' -%}
  {%- set of_squares = mlbridge.fewest('squared * squared / nullif(fourth, 0)', 'deviations * deviations / nullif(deviations_fourth, 0)') -%}
  {%- set of_distances = mlbridge.fewest('absolute * absolute / nullif(squared, 0)', 'spread * spread / nullif(spread_squared, 0)') -%}
  {{ return({
    'rmse': {'value': 'sqrt(mean_squared)', 'se': 'squared_error / nullif(2 * sqrt(mean_squared), 0)', 'baseline': 'sqrt(variance)',
      'skill_se': 'unexplained_error / nullif(2 * sqrt(unexplained), 0)', 'support': of_squares, 'low': unknown, 'high': unknown,
      'optimism': unknown, 'skewness': 'squared_skewness'},
    'mae': {'value': 'absolute / n', 'se': 'absolute_error', 'baseline': 'nullif(spread, 0) / n', 'skill_se': 'beside_error',
      'support': of_distances, 'low': unknown, 'high': unknown, 'optimism': unknown, 'skewness': 'absolute_skewness'},
    'r2': {'value': '1 - unexplained', 'se': 'unexplained_error', 'baseline': 'case when unexplained is not null then 0 end',
      'skill_se': 'unexplained_error', 'support': of_squares, 'low': unknown, 'high': unknown,
      'optimism': unknown, 'skewness': 'unexplained_skewness'},
    'median_absolute_error': {'value': 'median_loss', 'se': '(median_high - median_low) / 2 / median_quantile',
      'baseline': 'nullif(half_width, 0)', 'skill_se': mlbridge.beside_half(),
      'support': 'n', 'low': 'median_low', 'high': 'median_high',
      'optimism': unknown, 'skewness': unknown},
  }) }}
{% endmacro %}

{% macro beside_half() %}
  {#-
    The standard error of the ratio of the median loss to half the width of the shortest half of the outcomes. The width
    varies as a share of one half does, times the derivative of the width by the share (Gruebel 1988). Numerator and
    denominator are correlated as far as the rows with a small loss are those with an outcome in the middle.
  -#}
  {%- set of_loss = '((median_high - median_low) / 2 / median_quantile / nullif(half_width, 0))' -%}
  {%- set of_width = '(median_loss * half_widths_apart * sqrt(n) / 2 * below_error / nullif(half_width * half_width, 0))' -%}
  {%- set together = mlbridge.at_least('4 * below_in_middle / n - 1', '0') -%}
  {%- set square = 'power(' ~ of_loss ~ ', 2) + power(' ~ of_width ~ ', 2) - 2 * ' ~ together ~ ' * ' ~ of_loss ~ ' * ' ~ of_width -%}
  {{ return('case when ' ~ square ~ ' >= 0 then sqrt(' ~ square ~ ') when ' ~ square ~ ' < 0 then 0 end') }}
{% endmacro %}

{% macro fewest(rows, others) %}
  {#- The lesser of two numbers of rows; `n` where both are unknown. -#}
  {{ return('(case when ' ~ others ~ ' < ' ~ rows ~ ' then ' ~ others ~ ' else coalesce(' ~ rows ~ ', n) end)') }}
{% endmacro %}
