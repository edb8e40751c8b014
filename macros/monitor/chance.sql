{# What two samples of one distribution differ by, by chance alone: moments of the distances, and quantiles. #}

{% macro chance_of_bin() %}
  {#-
    For a bin that holds `expected` rows of the smaller sample on average, what it adds to the mean and the variance of the
    two divergences, per 1 / rows_used + 1 / rows_baseline (squared for the variance). With many rows both are chi-square
    with one degree of freedom, mean 1 and variance 2 (Yurdakul 2018; the Jensen-Shannon divergence times 8 is the same);
    with few they are neither. These are upper envelopes of the exact moments for Poisson counts, over all ratios of the two
    samples (tests/test_drift_chance.py compares them): psi grows without end in rare bins, as an empty one counts as half a
    row; the Jensen-Shannon divergence is at most ln(2) / 2 times the bin's shares there.
  -#}
  greatest(
    least(0.27e0 + 0.32e0 * expected, 1 + 0.6e0 / expected),
    case when expected < 0.5 then 0.5e0 * ln(0.5e0 / expected) + expected * ln(1 / expected) else 0 end
  ) as psi_mean,
  least(0.6e0 + 0.6e0 * expected, 2 + 6 / expected) as psi_variance,
  least(5.5e0 * expected, 1 + 0.35e0 * least(1, 2 / expected)) as js_mean,
  least(7 * expected, 2 + 1.7e0 * least(1, 3 / expected)) as js_variance
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
    What a multiple of a chi-square variable with this mean and variance (Satterthwaite 1946) stays below as surely as a
    normal one below `k` standard deviations, by the cube root of Wilson and Hilferty (1931).
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
  {#- Student's t that is exceeded as rarely as `k` by a normal variable (Wallace 1959): never less, and
      at most 7 % more at 5 degrees of freedom or more. -#}
  sqrt({{ freedom }} * (exp(least(600, power({{ k }} * (8 * {{ freedom }} + 3e0) / (8 * {{ freedom }} + 1), 2) / {{ freedom }})) - 1))
{%- endmacro %}
