{# How far apart chance and the metrics themselves let a window and its baseline be. #}

{% macro noise() %}
  {#-
    What the metric of two samples of one distribution exceeds with the probability `alpha` (a normal variable: `k`
    standard deviations) at most. With u = 1 / rows_used + 1 / rows_baseline:
    - psi, the squared Jensen-Shannon distance and chi-square by their moments for these rows and bins (`ml_chance`);
    - ks is below sqrt(u ln(2 / alpha) / 2) (Smirnov 1948; Wei and Dudley 2012), which also bounds a change of a share
      or of a mean rank (Hoeffding 1963), and of a correlation, here as a share of it: of that only so many rows tell as
      lie outside the fullest bin, twice, and at most all;
    - the normed Wasserstein distance of a shift is normal with standard deviation sqrt(u). For heavy tails that is no
      bound, which is why `is_within_chance` asks others;
    - unseen rows are a Poisson count, of which the root is normal with standard deviation 1 / 2 (Anscombe 1948), around the
      share that training can have missed: by the categories that it had once (Good 1953), by the two ends of its range
      for numbers. Rows that belong together count by the design effect.
  -#}
  case metric
    when 'psi' then u * {{ mlbridge.chi_square_quantile('psi_mean', 'psi_variance', 'k') }}
    when 'js_distance' then sqrt(u * {{ mlbridge.chi_square_quantile('js_mean', 'js_variance', 'k') }} / 8)
    when 'chi_square' then {{ mlbridge.chi_square_quantile('chi_mean', 'chi_variance', 'k') }}
    when 'wasserstein' then k * sqrt(u)
    when 'unseen_share' then {{ mlbridge.unseen_by_chance() }}
    when 'association_change' then sqrt(u * ln(2 / alpha) / 2 / nullif(least(1, 2 * (1 - fullest)), 0)) / partner_correlation
    else sqrt(u * ln(2 / alpha) / 2)
  end
{%- endmacro %}

{% macro unseen_by_chance() %}
  power(
    sqrt((1e0 + case when kind = 'category' then singles else 2 end) * design_effect / nullif(rows_baseline, 0))
      + k / 2 * sqrt(u * design_effect),
    2
  )
{%- endmacro %}

{% macro is_within_chance() %}
  {#-
    Whether a Wasserstein distance may come of a few far values, as heavy tails have them: neither do the distribution
    functions differ by more than is usual (`ks_usual`), nor are more rows outside the range of training than by chance.
  -#}
  metric = 'wasserstein'
  and fixed is null
  and ks <= ks_usual
  and coalesce(unseen_share <= {{ mlbridge.unseen_by_chance() }}, true)
{%- endmacro %}

{% macro greatest_value() %}
  {#-
    The most that a metric can be; NULL where there is no bound. All of a correlation lost, and the partners' mean rank moved
    from the middle to an end, are taken for the most of the two metrics of association.
  -#}
  case metric
    when 'ks' then 1e0
    when 'js_distance' then sqrt(ln(2e0))
    when 'null_share_change' then greatest(baseline_null_share, 1 - baseline_null_share)
    when 'unseen_share' then 1e0
    when 'association_change' then 1e0
    when 'association_shift' then 0.5e0
  end
{%- endmacro %}

{% macro share_of_greatest() %}
  {#- Up to which share of `greatest_value` a metric may be usual: more is an alert, however the training swung. -#}
  case when metric = 'unseen_share' then 0.5e0 else 0.9e0 end
{%- endmacro %}
