{# The metrics of a regression: from rows with outcomes, and from expected losses. #}

{% macro of_numbers(rows) %}
  {#- `rows`: window_start, slice, prediction and truth as numbers. Metrics as mlbridge/metrics.py defines them. -#}
  with labelled as (
    {{ rows }}
  ),

  losses as (
    select
      window_start,
      slice,
      abs(truth - prediction) as loss,
      truth - avg(truth) over (partition by window_start, slice) as deviation,
      row_number() over (partition by window_start, slice order by abs(truth - prediction)) as place,
      count(*) over (partition by window_start, slice) as n
    from labelled
  ),

  summed as (
    select
      window_start,
      slice,
      max(n) as n,
      sum(loss) as absolute,
      sum(loss * loss) as squared,
      sum(power(loss, 4)) as fourth,
      sum(deviation * deviation) as deviations,
      sum(loss * loss * deviation * deviation) as crossed,
      sum(power(deviation, 4)) as deviations_fourth,
      max(deviation) - min(deviation) as truth_range,
      avg(case when place = floor((n + 1) / 2e0) or place = ceil((n + 1) / 2e0) then loss end) as median_loss,
      -- the order statistics that bound a median with 95 % confidence
      max(case when place <= {{ mlbridge.at_least_one('floor(n / 2e0 - 0.98e0 * sqrt(n))') }} then loss end) as median_low,
      min(case when place >= n or place >= ceil(1 + n / 2e0 + 0.98e0 * sqrt(n)) then loss end) as median_high
    from losses
    group by window_start, slice
  ),

  compared as (
    select
      summed.*,
      squared / n as mean_squared,
      case when truth_range > 0 then deviations / n end as variance,
      case when truth_range > 0 then squared / nullif(deviations, 0) end as unexplained
    from summed
  ),

  measured as (
    {{ mlbridge.long_form('compared', 'window_start, slice', {
      'rmse': ['sqrt(mean_squared)', mlbridge.rmse_error()],
      'mae': ['absolute / n', mlbridge.mean_error('absolute', 'squared')],
      'r2': ['1 - unexplained', mlbridge.r2_error()],
      'median_absolute_error': ['median_loss', '(median_high - median_low) / 3.92e0'],
    }) }}
  )

  select * from measured
{% endmacro %}

{% macro at_least_one(value) %}
  {{ return('case when ' ~ value ~ ' > 1 then ' ~ value ~ ' else 1 end') }}
{% endmacro %}

{% macro rmse_error() %}
  {#- By the delta method from that of the mean squared error. -#}
  {{ return(mlbridge.mean_error('squared', 'fourth') ~ ' / nullif(2 * sqrt(mean_squared), 0)') }}
{% endmacro %}

{% macro r2_error() %}
  {#- From the influence of each row, (unexplained deviation^2 - loss^2) / variance. -#}
  {{ return('sqrt((fourth - 2 * unexplained * crossed + unexplained * unexplained * deviations_fourth) / n / n) / variance') }}
{% endmacro %}
