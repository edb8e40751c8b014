{# The metrics of a regression: from rows with outcomes. #}

{% macro of_numbers(rows, design_effects={}) %}
  {#-
    `rows`: window_start, slice, block, prediction and truth as numbers. Metrics as mlbridge/metrics.py defines them. The
    baselines are the best constants on the same rows: of the root mean squared error the mean, of the mean absolute error
    the median, of the median absolute error the middle of the shortest half (Rousseeuw 1984).
  -#}
  {%- set whole = 'partition by window_start, slice' -%}
  with labelled as (
    {{ rows }}
  ),

  losses as (
    select
      window_start,
      slice,
      block,
      truth,
      abs(truth - prediction) as loss,
      truth - avg(truth) over ({{ whole }}) as deviation,
      row_number() over ({{ whole }} order by abs(truth - prediction)) as place,
      row_number() over ({{ whole }} order by truth) as rank_of_truth,
      count(*) over ({{ whole }}) as n
    from labelled
  ),

  middles as (
    select
      window_start,
      slice,
      max(n) as n,
      avg(case when {{ mlbridge.in_the_middle('place') }} then loss end) as median_loss,
      avg(case when {{ mlbridge.in_the_middle('rank_of_truth') }} then truth end) as median_truth
    from losses
    group by window_start, slice
  ),

  halves as (
    select
      ends.window_start,
      ends.slice,
      min(ends.truth - starts.truth) / 2 as half_width
    from losses as ends
    inner join losses as starts
      on
        ends.window_start = starts.window_start
        and ends.slice = starts.slice
        and ends.rank_of_truth = starts.rank_of_truth + floor(ends.n / 2e0)
    group by ends.window_start, ends.slice
  ),

  of_block as (
    {{ mlbridge.losses_of_block() }}
  ),

  {{ mlbridge.measured_numbers(design_effects) }}

  select * from measured
{% endmacro %}

{% macro in_the_middle(place) %}
  {{ return('(' ~ place ~ ' = floor((n + 1) / 2e0) or ' ~ place ~ ' = ceil((n + 1) / 2e0))') }}
{% endmacro %}

{% macro losses_of_block() %}
  select
    losses.window_start,
    losses.slice,
    losses.block,
    cast(count(*) as {{ mlbridge.type_double() }}) as n,
    sum(loss) as absolute,
    sum(loss * loss) as squared,
    sum(power(loss, 4)) as fourth,
    sum(deviation * deviation) as deviations,
    sum(loss * loss * deviation * deviation) as crossed,
    sum(power(deviation, 4)) as deviations_fourth,
    max(deviation) as deviation_greatest,
    min(deviation) as deviation_least,
    sum(abs(truth - middles.median_truth)) as spread,
    sum(loss * abs(truth - middles.median_truth)) as loss_spread,
    sum(power(truth - middles.median_truth, 2)) as spread_squared,
    cast(sum(case when loss <= middles.median_loss then 1 else 0 end) as {{ mlbridge.type_double() }}) as below
  from losses
  inner join middles
    on losses.window_start = middles.window_start and losses.slice = middles.slice
  group by losses.window_start, losses.slice, losses.block
{% endmacro %}
