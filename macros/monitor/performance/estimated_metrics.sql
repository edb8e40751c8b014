{# The metrics that are expected of the scored rows, without their outcomes. #}

{% macro estimated_metrics(bins) %}
  {#-
    The CTEs from `bins`, a CTE with the rows of each window by bin and class beside what the validation rows of the bin showed, to `final`,
    a row per metric. The metrics are right while outcomes depend on the features as they did on the validation rows.
  -#}
  {%- set keys = ['model', 'version', 'window_size', 'window_start', 'slice'] -%}
  {%- set key = keys | join(', ') -%}
  grouped as (
    select
      {{ key }},
      class_no,
      0 as block,
      calibration_step as score,
      sum(n * probability) as pos,
      sum(n * (1 - probability)) as neg,
      sum(is_predicted * n * probability) as tp,
      sum(is_predicted * n * (1 - probability)) as fp,
      sum(score_square_sum - 2 * probability * score_sum + probability * n) as brier,
      -- the outcome of each row varies by chance within a step: probability (1 - probability) (1 - 2 score)^2
      power(sum(score_square_sum - 2 * probability * score_sum + probability * n), 2) / sum(n)
      + sum(probability * (1 - probability) * (n - 4 * score_sum + 4 * score_square_sum)) as brier_square,
      sum(probability * (n - 2 * score_sum + score_square_sum)) as brier_pos
    from {{ bins }}
    where calibration_step is not null
    group by {{ key }}, class_no, calibration_step
  ),

  {%- set losses = {'brier': 'brier', 'brier_square': 'brier_square', 'brier_pos': 'brier_pos'} %}
  {{ mlbridge.classification_metrics('grouped', keys, losses) }},

  losses as (
    select
      {{ key }},
      sum(n) as n,
      sum(n) as events,
      sum(n * absolute_error_mean) as absolute,
      sum(n * squared_error_mean) as squared,
      sum(n * fourth_power_mean) as fourth,
      sum(n * squared_error_mean) / sum(n) as mean_squared
    from {{ bins }}
    where loss_leaf is not null
    group by {{ key }}
  ),

  {% set unknown = {'baseline': 'null', 'skill_se': 'null', 'support': 'n', 'low': 'null', 'high': 'null',
    'optimism': 'null', 'skewness': 'null'} -%}
  final as (
    select *
    from measured
    where metric <> 'log_loss'
    union all
    {{ mlbridge.long_form('losses', key ~ ', n, events', {
      'rmse': dict({'value': 'sqrt(mean_squared)',
        'se': 'sqrt(' ~ mlbridge.mean_variance('squared', 'fourth') ~ ') / nullif(2 * sqrt(mean_squared), 0)'}, **unknown),
      'mae': dict({'value': 'absolute / n', 'se': 'sqrt(' ~ mlbridge.mean_variance('absolute', 'squared') ~ ')'}, **unknown),
    }) }}
  )
{%- endmacro %}
