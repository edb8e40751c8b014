{# How much two samples of one distribution differ by chance: moments of the distances, and quantiles. #}

{% macro chance_of_bin() %}
  {#-
    Mean and variance that a bin adds to psi and to 8 times the Jensen-Shannon divergence, in units of 1 / rows_used + 1 /
    rows_baseline (the variance in its square). `expected_rows` is how many rows of the smaller sample are expected in the
    bin. With many rows both are chi-square with one degree of freedom, mean 1 and variance 2 (Yurdakul 2018). With few
    they are not; these expressions bound the exact moments for Poisson counts from above, for every ratio of the two
    samples (tests/engines/test_drift_chance.py compares them). Psi grows without limit in rare bins, because an empty bin
    counts as half a row; the Jensen-Shannon divergence is at most ln(2) / 2 times the bin's shares.
  -#}
  greatest(
    least(0.27e0 + 0.32e0 * expected_rows, 1 + 0.6e0 / expected_rows),
    case when expected_rows < 0.5 then 0.5e0 * ln(0.5e0 / expected_rows) + expected_rows * ln(1 / expected_rows) else 0 end
  ) as psi_mean,
  least(0.6e0 + 0.6e0 * expected_rows, 2 + 6 / expected_rows) as psi_variance,
  least(5.5e0 * expected_rows, 1 + 0.35e0 * least(1, 2 / expected_rows)) as js_mean,
  least(7 * expected_rows, 2 + 1.7e0 * least(1, 3 / expected_rows)) as js_variance
{%- endmacro %}

{% macro pearson_variance(total, used, compared, bins, inverse) %}
  {#-
    The exact variance of Pearson's chi-square of a table of two rows and `bins` columns without an empty one, given its
    margins (Haldane 1940; Dawson, *A simplified expression for the variance of the chi-square function on a contingency
    table*, 1954). `inverse` is the sum of 1 / rows over the columns.
  -#}
  (
    2 * {{ total }} / nullif({{ total }} - 3, 0)
    * (({{ total }} - 2) / nullif({{ total }} - 1, 0)
      - ({{ total }} / {{ used }} + {{ total }} / {{ compared }} - 4) / nullif({{ total }} - 2, 0))
    * (({{ bins }} - 1) * ({{ total }} - {{ bins }}) / nullif({{ total }} - 1, 0)
      - ({{ total }} * {{ inverse }} - {{ bins }} * {{ bins }}) / nullif({{ total }} - 2, 0))
    + {{ total }} * {{ total }} / nullif({{ total }} - 1, 0)
    * ({{ total }} / {{ used }} + {{ total }} / {{ compared }} - 4) / nullif({{ total }} - 2, 0)
    * ({{ total }} * {{ inverse }} - {{ bins }} * {{ bins }}) / nullif({{ total }} - 2, 0)
  )
{%- endmacro %}

{% macro chi_square_quantile(mean, variance, k) %}
  {#-
    The quantile of a scaled chi-square variable with this mean and variance (Satterthwaite 1946) that is exceeded with
    the same probability as `k` by a standard normal variable, by the cube-root transformation of Wilson and Hilferty
    (1931).
  -#}
  (
    case
      when {{ mean }} > 0 and {{ variance }} > 0
        then {{ mean }} * power(1 - {{ variance }} / (9 * {{ mean }} * {{ mean }}) + {{ k }} * sqrt({{ variance }}) / (3 * {{ mean }}), 3)
      else {{ mean }}
    end
  )
{%- endmacro %}

{% macro normal_quantile(alpha) %}
  {#- The standard normal's upper quantile for a share of at most 0.5 (Abramowitz and Stegun 26.2.23, error below 0.00045). -#}
  {%- set t = 'sqrt(-2 * ln(' ~ alpha ~ '))' -%}
  ({{ t }} - (2.515517e0 + 0.802853e0 * {{ t }} + 0.010328e0 * {{ t }} * {{ t }})
    / (1 + 1.432788e0 * {{ t }} + 0.189269e0 * {{ t }} * {{ t }} + 0.001308e0 * {{ t }} * {{ t }} * {{ t }}))
{%- endmacro %}

{% macro student_quantile(k, freedom) %}
  {#-
    The quantile of Student's t that is exceeded with the same probability as `k` by a standard normal variable (Wallace
    1959): never too low, and at most 7 % too high from 5 degrees of freedom on.
  -#}
  sqrt({{ freedom }} * (exp(least(600, power({{ k }} * (8 * {{ freedom }} + 3e0) / (8 * {{ freedom }} + 1), 2) / {{ freedom }})) - 1))
{%- endmacro %}
