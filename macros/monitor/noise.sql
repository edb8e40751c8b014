{# How far apart chance and the metrics themselves let a window and its baseline be. #}

{% macro noise() %}
  {#-
    What the metric of two samples of one distribution exceeds with the probability `alpha` (a normal variable: `k`
    standard deviations) at most. With u = 1 / rows_used + 1 / rows_baseline:
    - psi, the squared Jensen-Shannon distance and chi-square by their moments for these rows and bins (`ml_chance`);
    - ks is below sqrt(u ln(2 / alpha) / 2) (Smirnov 1948; Wei and Dudley 2012), which also bounds a change of a share
      or of a mean rank (Hoeffding 1963), and of a correlation, here as a share of it;
    - the normed Wasserstein distance of a shift is normal with standard deviation sqrt(u). For heavy tails that is no
      bound; so it alarms only where ks, which needs none, is beyond chance too (`ml_limits`);
    - of unseen rows the upper end of Wilson's interval (1927) around the share that training can have missed: by the
      categories that it had once (Good 1953), by the two ends of its range for numbers, with the root of a Poisson count
      as normal (Anscombe 1948). Rows that belong together count by the design effect.
  -#}
  case metric
    when 'psi' then u * {{ mlbridge.chi_square_quantile('psi_mean', 'psi_variance', 'k') }}
    when 'js_distance' then sqrt(u * {{ mlbridge.chi_square_quantile('js_mean', 'js_variance', 'k') }} / 8)
    when 'chi_square' then {{ mlbridge.chi_square_quantile('chi_mean', 'chi_variance', 'k') }}
    when 'wasserstein' then k * sqrt(u)
    when 'unseen_share' then {{ mlbridge.wilson_upper('missed', '(nullif(rows_used, 0) / design_effect)', 'k') }}
    when 'association_change' then sqrt(u * ln(2 / alpha) / 2) / partner_correlation
    else sqrt(u * ln(2 / alpha) / 2)
  end
{%- endmacro %}

{% macro missed() %}
  {#- The share of the rows that training can have missed: `singles` categories with one row, or the two ends of a range. -#}
  least(
    power(sqrt(1e0 + case when kind = 'category' then singles else 2 end) + k / 2, 2)
      / nullif(rows_baseline / design_effect, 0),
    1
  )
{%- endmacro %}

{% macro wilson_upper(share, rows, k) %}
  (
    ({{ share }} + {{ k }} * {{ k }} / (2 * {{ rows }})
      + {{ k }} * sqrt({{ share }} * (1 - {{ share }}) / {{ rows }} + power({{ k }} / (2 * {{ rows }}), 2)))
    / (1 + {{ k }} * {{ k }} / {{ rows }})
  )
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
