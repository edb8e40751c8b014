{# The interval of the median absolute error. #}

{% macro median_bounds() %}
  {#-
    The CTEs up to `bounded`, with `median_low` and `median_high` (Woodruff 1952): Wilson's interval for a share of one
    half, and the quantiles of the losses at its ends.
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
      max(case when losses.rank_of_loss <= {{ mlbridge.at_least('floor(limits.n * share_low)', '1') }} then losses.loss end) as median_low,
      min(case when losses.rank_of_loss >= limits.n or losses.rank_of_loss >= ceil(limits.n * share_high) + 1 then losses.loss end) as median_high
    from limits
    inner join losses on {{ mlbridge.same('limits', 'losses', 'window_start, slice') }}
    group by limits.window_start, limits.slice
  ),

  bounded as (
    select
      limits.*,
      case when bounds.median_high > bounds.median_low then bounds.median_low end as median_low,
      case when bounds.median_high > bounds.median_low then bounds.median_high end as median_high
    from limits
    inner join bounds on {{ mlbridge.same('limits', 'bounds', 'window_start, slice') }}
  )
{%- endmacro %}
