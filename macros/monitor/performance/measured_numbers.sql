{# From sums by block to the metrics of a regression with their standard errors, beside the naive baseline. #}

{% macro measured_numbers(design_effects) %}
  {#- The CTEs from `of_block` to `measured`, with the columns of `measured_classes`. -#}
  {%- set sums = ['n', 'absolute', 'squared', 'fourth', 'deviations', 'crossed', 'deviations_fourth', 'spread', 'loss_spread',
    'spread_squared', 'below_in_middle'] -%}
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
    inner join valued as v on {{ mlbridge.same('b', 'v', 'window_start, slice') }}
    group by b.window_start, b.slice
  ),

  {{ mlbridge.skewness_of_losses() }},

  erred as (
    select
      valued.*,
      valued.n as events,
      by_block.block_count,
      middles.median_loss,
      halves.half_width,
      halves.half_widths_apart,
      {%- for name, part in mlbridge.loss_parts().items() %}
      skewed.{{ name }}_skewness
      {%- set effect_of = (design_effects or {}).get(part.metric, 1) %}
      * case when by_block.block_count < {{ mlbridge.enough_blocks() }} then sqrt({{ mlbridge.number(effect_of) }}) else 1 end as {{ name }}_skewness,
      {%- endfor %}
      {% for name, error in mlbridge.loss_errors().items() -%}
      {{ mlbridge.chosen_error(error.variance, error.square, (design_effects or {}).get(error.metric, 1), false) }} as {{ name }},
      {% endfor -%}
      {{ mlbridge.chosen_error('0.25e0 / valued.n', 'below_square', effect, false) }} as below_error
    from valued
    inner join by_block on {{ mlbridge.same('valued', 'by_block', 'window_start, slice') }}
    inner join middles on {{ mlbridge.same('valued', 'middles', 'window_start, slice') }}
    inner join skewed on {{ mlbridge.same('valued', 'skewed', 'window_start, slice') }}
    left join halves on {{ mlbridge.same('valued', 'halves', 'window_start, slice') }}
  ),

  {{ mlbridge.median_bounds() }},

  measured as (
    {{ mlbridge.long_form('bounded', 'window_start, slice, n, events, block_count', mlbridge.number_figures()) }}
  )
{% endmacro %}
