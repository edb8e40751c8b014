{# From sums by block to the metrics of a regression with standard errors, each beside the naive baseline. #}

{% macro measured_numbers(design_effects) %}
  {#- The CTEs from `of_block` to `measured`, whose columns are those of `measured_classes`. -#}
  {%- set sums = ['n', 'absolute', 'squared', 'fourth', 'deviations', 'crossed', 'deviations_fourth', 'spread', 'loss_spread',
    'spread_squared'] -%}
  {%- set effect = mlbridge.number((design_effects or {}).get('median_absolute_error', 1)) -%}
  summed as (
    select
      window_start,
      slice
      {%- for column in sums %},
      sum({{ column }}) as {{ column }}
      {%- endfor %},
      max(deviation_greatest) - min(deviation_least) as truth_range
    from of_block
    group by window_start, slice
  ),

  valued as (
    select
      summed.*,
      squared / n as mean_squared,
      case when truth_range > 0 then deviations / n end as variance,
      case when truth_range > 0 then squared / nullif(deviations, 0) end as unexplained,
      absolute / nullif(spread, 0) as beside_median
    from summed
  ),

  by_block as (
    select
      b.window_start,
      b.slice,
      count(*) as block_count,
      sum(power((b.squared - b.n * v.mean_squared) / v.n, 2)) as squared_square,
      sum(power((b.absolute - b.n * v.absolute / v.n) / v.n, 2)) as absolute_square,
      sum(power((b.squared - v.unexplained * b.deviations) / v.n / v.variance, 2)) as unexplained_square,
      sum(power((b.absolute - v.beside_median * b.spread) / nullif(v.spread, 0), 2)) as beside_square,
      sum(power((b.below - b.n * 0.5e0) / v.n, 2)) as below_square
    from of_block as b
    inner join valued as v on b.window_start = v.window_start and b.slice = v.slice
    group by b.window_start, b.slice
  ),

  erred as (
    select
      valued.*,
      valued.n as events,
      by_block.block_count,
      middles.median_loss,
      halves.half_width,
      {% for name, said in mlbridge.loss_errors().items() -%}
      {{ mlbridge.chosen_error(said[0], said[1], (design_effects or {}).get(said[2], 1), false) }} as {{ name }},
      {% endfor -%}
      {{ mlbridge.chosen_error('0.25e0 / valued.n', 'below_square', effect, false) }} as below_error
    from valued
    inner join by_block on valued.window_start = by_block.window_start and valued.slice = by_block.slice
    inner join middles on valued.window_start = middles.window_start and valued.slice = middles.slice
    left join halves on valued.window_start = halves.window_start and valued.slice = halves.slice
  ),

  {{ mlbridge.median_bounds() }},

  measured as (
    {{ mlbridge.long_form('bounded', 'window_start, slice, n, events, block_count', mlbridge.number_figures()) }}
  )
{% endmacro %}

{% macro loss_errors() %}
  {#- By name of an error: its variance from independent rows, the sum of its squares by block, and whose design effect it has. -#}
  {{ return({
    'squared_error': [mlbridge.mean_variance('squared', 'fourth', 'valued.n'), 'squared_square', 'rmse'],
    'absolute_error': [mlbridge.mean_variance('absolute', 'squared', 'valued.n'), 'absolute_square', 'mae'],
    'unexplained_error': ['(fourth - 2 * unexplained * crossed + unexplained * unexplained * deviations_fourth) / valued.n / valued.n'
      ~ ' / variance / variance', 'unexplained_square', 'r2'],
    'beside_error': ['(squared - 2 * beside_median * loss_spread + beside_median * beside_median * spread_squared) / nullif(spread * spread, 0)',
      'beside_square', 'mae'],
  }) }}
{% endmacro %}

{% macro number_figures() %}
  {%- set unsaid = 'null' -%}
  {{ return({
    'rmse': {'value': 'sqrt(mean_squared)', 'se': 'squared_error / nullif(2 * sqrt(mean_squared), 0)', 'baseline': 'sqrt(variance)',
      'skill_se': 'unexplained_error / nullif(2 * sqrt(unexplained), 0)', 'support': 'n', 'low': unsaid, 'high': unsaid},
    'mae': {'value': 'absolute / n', 'se': 'absolute_error', 'baseline': 'nullif(spread, 0) / n', 'skill_se': 'beside_error',
      'support': 'n', 'low': unsaid, 'high': unsaid},
    'r2': {'value': '1 - unexplained', 'se': 'unexplained_error', 'baseline': 'case when unexplained is not null then 0 end',
      'skill_se': 'unexplained_error', 'support': 'n', 'low': unsaid, 'high': unsaid},
    'median_absolute_error': {'value': 'median_loss', 'se': '(median_high - median_low) / 2 / median_quantile',
      'baseline': 'nullif(half_width, 0)', 'skill_se': '(median_high - median_low) / 2 / median_quantile / nullif(half_width, 0)',
      'support': 'n', 'low': 'median_low', 'high': 'median_high'},
  }) }}
{% endmacro %}

{% macro median_bounds() %}
  {#-
    The interval of the median of the losses (Woodruff 1952): Wilson's limits for the share of one half, read back as quantiles of the
    losses.
  -#}
  {%- set freedom = mlbridge.freedom('block_count', 'n', none) -%}
  {%- set n_eff = '(0.25e0 / nullif(below_error * below_error, 0))' -%}
  limits as (
    select
      erred.*,
      {{ mlbridge.t_quantile(freedom) }} as median_quantile,
      {{ mlbridge.wilson_end('-', '0.5e0', n_eff, mlbridge.t_quantile(freedom)) }} as share_low,
      {{ mlbridge.wilson_end('+', '0.5e0', n_eff, mlbridge.t_quantile(freedom)) }} as share_high
    from erred
  ),

  bounds as (
    select
      limits.window_start,
      limits.slice,
      max(case when losses.place <= {{ mlbridge.at_least('floor(limits.n * share_low)', '1') }} then losses.loss end) as median_low,
      min(case when losses.place >= limits.n or losses.place >= ceil(limits.n * share_high) + 1 then losses.loss end) as median_high
    from limits
    inner join losses on limits.window_start = losses.window_start and limits.slice = losses.slice
    group by limits.window_start, limits.slice
  ),

  bounded as (
    select
      limits.*,
      case when bounds.median_high > bounds.median_low then bounds.median_low end as median_low,
      case when bounds.median_high > bounds.median_low then bounds.median_high end as median_high
    from limits
    inner join bounds on limits.window_start = bounds.window_start and limits.slice = bounds.slice
  )
{%- endmacro %}
