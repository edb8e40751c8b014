{% macro noise(metric, k) %}
  {#-
    What the metric of two samples of one distribution stays below but for chance, at `k` standard deviations: windows of
    few rows differ more. With u = 1 / rows_used + 1 / rows_baseline:
    - psi has mean (bins - 1) u and standard deviation sqrt(2 (bins - 1)) u (Yurdakul 2018); the squared Jensen-Shannon
      distance is an eighth of it for near distributions; chi-square has bins - 1 degrees of freedom;
    - of a share that is 0, the upper end of Wilson's interval (1927), k^2 / (rows_used + k^2);
    - ks is below 1.82 sqrt(u) in 99.7 % of all cases (Smirnov 1948), which also bounds a change of a share or of a
      correlation (here as a share of it); of normal samples the normed Wasserstein distance is below 2.5 sqrt(u).
  -#}
  case {{ metric }}
    when 'psi' then u * (bins - 1 + {{ k }} * sqrt(2e0 * (bins - 1)))
    when 'js_distance' then sqrt(u * (bins - 1 + {{ k }} * sqrt(2e0 * (bins - 1))) / 8)
    when 'chi_square' then bins - 1 + {{ k }} * sqrt(2e0 * (bins - 1))
    when 'wasserstein' then 2.5e0 * sqrt(u)
    when 'unseen_share' then {{ k }} * {{ k }} / (rows_used + {{ k }} * {{ k }})
    when 'association_change' then 1.82e0 * sqrt(u) / partner_correlation
    else 1.82e0 * sqrt(u)
  end
{%- endmacro %}

{% macro widened(k, n) %}
  {#-
    Standard deviations that a new value stays within as surely as one of a normal distribution within `k`, where mean and
    deviation are known from `n` values only: Student's t with n - 1 degrees of freedom (expansion of Cornish and Fisher
    1938) times sqrt(1 + 1 / n).
  -#}
  (
    ({{ k }} + (power({{ k }}, 3) + {{ k }}) / (4 * ({{ n }} - 1e0))
      + (5 * power({{ k }}, 5) + 16 * power({{ k }}, 3) + 3 * {{ k }}) / (96 * ({{ n }} - 1e0) * ({{ n }} - 1e0)))
    * sqrt(1 + 1e0 / {{ n }})
  )
{%- endmacro %}
