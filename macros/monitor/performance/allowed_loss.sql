{# How much less than the usual skill a window may have without an alert. #}

{% macro allowed_loss() %}
  {#-
    The root of the sum of two squares: what chance explains with so many rows and blocks, in this window and in the usual
    ones (`chance`), and how much windows differ beyond that (`apart`), at `usual_quantile` standard deviations; at least the floor.
  -#}
  {{ return(mlbridge.at_least('sqrt(chance * chance + power(usual_quantile, 2) * apart)', 'floor_of_skill')) }}
{% endmacro %}

{% macro deviations() %}
  {#-
    How many standard errors chance is given. k slices that are judged at once get the root of d^2 + 2 ln k instead of d,
    so that all of them together alert falsely as rarely as one would (Bonferroni, with the tail of a normal
    distribution).
  -#}
  {%- set slices = "count(case when measured.slice <> 'all' and measured.n >= " ~ mlbridge.enough_rows() ~ ' then 1 end) over ('
    ~ 'partition by measured.model, measured.version, measured.window_start, measured.kind, measured.metric)' -%}
  case
    when measured.slice = 'all' or {{ slices }} <= 1 then rules.deviations
    else sqrt(power(rules.deviations, 2) + 2 * ln(cast({{ slices }} as {{ mlbridge.type_double() }})))
  end
{%- endmacro %}

{% macro chance_of_skill() %}
  {#-
    How far the skill may fall below the usual one by chance, at `quantile` standard errors. For a loss, 1 - skill is a
    ratio of two losses, whose logarithm is about normal, so that it varies more to the worse side. A share above one half
    does too, as a binomial one: the skewness term of the expansion of Cornish and Fisher (1938).
  -#}
  {%- set far = '(quantile * sqrt(1 + n / n_usual) * skill_error)' -%}
  case
    when share is null and skill < 1 and {{ far }} < 50 * (1 - skill) then (1 - skill) * (exp({{ far }} / (1 - skill)) - 1)
    when share is not null and expected > 0.5 and expected < 1
      then {{ far }} + (1 - 1 / power(quantile, 2)) / 6 * power({{ far }}, 2) * (2 * expected - 1) * (perfect - baseline)
        / (expected * (1 - expected))
    else {{ far }}
  end
{%- endmacro %}

{% macro error_of_skill() %}
  {#-
    The standard error of the skill if the window were a usual one. For a share: that of the expected share with the
    effective rows of this window (as in Wilson's interval, so that a recall of 0 does not count as certain), derived from
    the standard error of the skill or from that of the value, whichever is smaller; but one of the skill below a fifth of
    the other comes from a few rows only, as where nearly all rows are predicted alike, and tells nothing. For a loss: that
    of the skill, scaled to the expected loss; not from the value, because the baseline of a strong model varies as much by
    itself.
  -#}
  {%- set way = 'nullif(abs(perfect - baseline), 0)' -%}
  {%- set of_value = 'coalesce(se, 0) / ' ~ way -%}
  {%- set smaller = '(case when skill_se between 0.2 * ' ~ of_value ~ ' and ' ~ of_value ~ ' then skill_se else ' ~ of_value ~ ' end)' -%}
  case
    when share is null then coalesce(skill_se, {{ of_value }}) * {{ mlbridge.at_least('1 - skill', '0') }} / nullif(1 - own_skill, 0)
    when skill_se > 1e-6 * se and value > 0 and value < 1
      then {{ smaller }} * sqrt({{ mlbridge.at_least('expected * (1 - expected)', '0') }} / (value * (1 - value)))
    else sqrt({{ mlbridge.at_least('expected * (1 - expected)', '0') }} / nullif(support, 0)) / {{ way }}
  end
{%- endmacro %}

{% macro error_below_naive() %}
  {#-
    The standard error of the skill by which a figure counts as worse than the naive baseline. Where a share differs from
    its baseline by a few rows only, as where nearly all rows are predicted alike, the error of its skill is that of these
    few, and too small: that of the value counts if it is larger. A share of exactly 0 has none, since no row moves it.
  -#}
  case
    when share is null then skill_se
    when share = 0 then skill_error
    else {{ mlbridge.at_least('skill_se', 'coalesce(se, 0) / nullif(abs(perfect - baseline), 0)') }}
  end
{%- endmacro %}

{% macro student(k, df) %}
  {#-
    The quantile of Student's t that is exceeded with the same probability as `k` by a standard normal variable (Cornish
    and Fisher 1938).
  -#}
  (
    {{ k }} + (power({{ k }}, 3) + {{ k }}) / (4e0 * {{ df }})
    + (5 * power({{ k }}, 5) + 16 * power({{ k }}, 3) + 3 * {{ k }}) / (96e0 * {{ df }} * {{ df }})
    + (3 * power({{ k }}, 7) + 19 * power({{ k }}, 5) + 17 * power({{ k }}, 3) - 15 * {{ k }}) / (384e0 * power({{ df }}, 3))
  )
{%- endmacro %}
