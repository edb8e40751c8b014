{# The realized metrics of a regression, from its rows. #}

{% macro of_numbers(rows, design_effects={}) %}
  {#-
    `rows` has window_start, slice, block, and prediction and truth as numbers. Metrics are defined as in
    mlbridge/evaluation/regression.py. Each baseline is the best constant on the same rows: the mean for the root mean
    squared error, the median for the mean absolute error, the middle of the shortest half for the median absolute error
    (Rousseeuw 1984).
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
      row_number() over ({{ whole }} order by abs(truth - prediction)) as rank_of_loss,
      row_number() over ({{ whole }} order by truth, abs(truth - prediction)) as rank_of_truth,
      count(*) over ({{ whole }}) as n
    from labelled
  ),

  middles as (
    select
      window_start,
      slice,
      max(n) as n,
      avg(case when {{ mlbridge.in_the_middle('rank_of_loss') }} then loss end) as median_loss,
      avg(case when {{ mlbridge.in_the_middle('rank_of_truth') }} then truth end) as median_truth
    from losses
    group by window_start, slice
  ),

  halves as (
    {{ mlbridge.shortest_halves() }}
  ),

  of_block as (
    {{ mlbridge.losses_of_block() }}
  ),

  {{ mlbridge.measured_numbers(design_effects) }}

  select * from measured
{% endmacro %}

{% macro in_the_middle(rank) %}
  {#- Whether a row is the middle one by rank, or one of the middle two if `n` is even. -#}
  {{ return('(' ~ rank ~ ' = floor((n + 1) / 2e0) or ' ~ rank ~ ' = ceil((n + 1) / 2e0))') }}
{% endmacro %}

{% macro shortest_halves() %}
  {#- The shortest interval that holds half of the outcomes, and those that hold less or more than half by two standard errors of that share. -#}
  select
    starts.window_start,
    starts.slice,
    min(halfway.truth - starts.truth) / 2 as half_width,
    (min(later.truth - starts.truth) - min(sooner.truth - starts.truth)) / 2 as half_widths_apart
  from losses as starts
  {%- for name, deviations in {'sooner': '- sqrt(starts.n)', 'halfway': '', 'later': '+ sqrt(starts.n)'}.items() %}
  left join losses as {{ name }}
    on
      starts.window_start = {{ name }}.window_start
      and starts.slice = {{ name }}.slice
      and starts.rank_of_truth + floor(starts.n / 2e0 {{ deviations }}) = {{ name }}.rank_of_truth
  {%- endfor %}
  group by starts.window_start, starts.slice
{%- endmacro %}

{% macro losses_of_block() %}
  {#- Sums of losses, and of what their baselines and errors are made of, by window, slice and block. -#}
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
    cast(sum(case when loss <= middles.median_loss then 1 else 0 end) as {{ mlbridge.type_double() }}) as below,
    cast(count(case when loss <= middles.median_loss and abs(rank_of_truth - losses.n / 2e0) < losses.n / 4e0 then 1 end)
      as {{ mlbridge.type_double() }}) as below_in_middle
  from losses
  inner join middles
    on {{ mlbridge.same('losses', 'middles', 'window_start, slice') }}
  group by losses.window_start, losses.slice, losses.block
{% endmacro %}
