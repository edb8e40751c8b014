{# Values that training did not have: their share, how many of them chance explains, and how far outside a few of them may be by chance. #}

{% macro unseen_share() %}
  {#- For a category only if the profile lists all categories of the training: else an unlisted one may have been in training. -#}
  max(
    case
      when baseline = 'training' and (kind = 'numeric' or rows_unnamed = 0) then rows_outside / nullif(rows_used, 0)
    end
  )
{%- endmacro %}

{% macro unseen_by_chance() %}
  {#-
    The share of unseen rows that chance exceeds with the probability `alpha` at most. Their number is a Poisson count, the root of
    which is normal with standard deviation 1 / 2 (Anscombe 1948), around the share that training can have missed: for
    categories estimated from those that training had once (Good 1953), for numbers from the two ends of the range. For numbers,
    dependent rows count by the design effect. Whether a category is new does not depend on other rows in that way; the effect
    of dependence there shows in the windows of the training, each of which had new categories of its own (`int_ml_usual_drift`).
  -#}
  {%- set design = "case when kind = 'category' then 1 else design_effect end" -%}
  power(
    sqrt((1e0 + case when kind = 'category' then categories_with_one_row else 2 end) * {{ design }} / nullif(rows_baseline, 0))
      + deviations / 2 * sqrt(inverse_rows * {{ design }}),
    2
  )
{%- endmacro %}

{% macro farthest_by_chance() %}
  {#-
    What a Wasserstein distance exceeds with the probability `alpha` at most, however heavy the tails. Of W windows of the training
    and a new one, the new one is the farthest with a probability of 1 / (W + 1). That its distance is then `c` times the largest one
    before has a probability of 1 / c at most, in a regularly varying tail that has a mean: there a sum is large because its
    largest value is (Foss, Korshunov and Zachary 2013). In a window of fewer rows than usual that value counts for more. NULL
    without windows of the training.
  -#}
  greatest_usual / ((usual_windows + 1) * alpha) * greatest(rows_typical / nullif(least(rows_used, rows_baseline), 0), 1)
{%- endmacro %}

{% macro is_of_few_values() %}
  {#-
    Whether a Wasserstein distance may come from a few far values, as heavy tails have them: the distribution functions differ
    by no more than is usual (`ks_usual`), no more rows lie outside the range of training than chance explains, and the distance
    is within `farthest_by_chance`. A threshold that the spec fixes is taken as it is.
  -#}
  fixed is null
  and ks <= ks_usual
  and coalesce(unseen_share <= {{ mlbridge.unseen_by_chance() }}, true)
  and coalesce(value <= farthest_by_chance, true)
{%- endmacro %}
