{# The threshold of a performance figure, and its confidence interval. #}

{% macro judged(rows) %}
  {#-
    The CTEs up to `judged`: `rows` with `threshold` and `muted`. Skill is the share of the way from the naive baseline,
    on the window's own rows, to the perfect value. The threshold is the usual skill less `allowed_loss`; but at least
    half of the usual skill, or what chance leaves of it if that is less, and never below the baseline.
  -#}
  skilled as (
    select
      {{ rows }}.*,
      (value - baseline) / nullif(perfect - baseline, 0) as own_skill,
      baseline + skill * (perfect - baseline) as expected,
      least_distance * case when relative then 1 - skill else 1 / nullif(abs(perfect - baseline), 0) end as floor_of_skill
    from {{ rows }}
  ),

  scattered as (
    select
      skilled.*,
      {{ mlbridge.error_of_skill() }} as skill_error,
      {{ mlbridge.at_least(mlbridge.freedom_of('degrees_of_freedom', 'support'), '3') }} as freedom
    from skilled
  ),

  scaled as (
    select
      scattered.*,
      {{ mlbridge.student('deviations', 'freedom') }} as quantile,
      case when windows > 1 then {{ mlbridge.student('deviations', '(windows - 1)') }} * sqrt(1 + 1e0 / windows) else 0 end as usual_quantile
    from scattered
  ),

  chanced as (
    select
      scaled.*,
      {{ mlbridge.chance_of_skill() }} as chance,
      own_skill + quantile * sqrt(1 + n / n_usual) * {{ mlbridge.error_below_naive() }} < 0 and skill_se > 1e-6 * se as is_worse_than_naive,
      {{ mlbridge.at_least('variance - skill_error * skill_error * n * windows / n_usual', '0') }} as apart
    from scaled
  ),

  limited as (
    select
      chanced.*,
      skill - {{ mlbridge.allowed_loss() }} as usual_less,
      case when skill / 2 < skill - chance then skill / 2 else skill - chance end as least
    from chanced
  ),

  judged as (
    select
      limited.*,
      coalesce(
        fixed_threshold,
        baseline + (perfect - baseline) * case
          when usual_less > 0 and usual_less >= least then usual_less
          when least > 0 then least
          else 0
        end
      ) as threshold,
      {{ mlbridge.muted_performance() }} as muted
    from limited
  )
{%- endmacro %}

{% macro bounded(rows) %}
  {#- The CTEs up to `bounded`: `rows` with the ends of the intervals of a share and of a loss, from which `interval_end` chooses. -#}
  lost as (
    select
      {{ rows }}.*,
      case when metric = 'r2' then 1 - value else value end as loss,
      case when metric = 'rmse' then 2e0 else 1e0 end as loss_power,
      {{ mlbridge.skewed_quantile('skewness', 't_quantile') }} as loss_quantile
    from {{ rows }}
  ),

  bounded as (
    select
      lost.*,
      case when share is not null then {{ mlbridge.wilson_end('-', 'share', 'n_effective', 't_quantile') }} end as share_low,
      case when share is not null then {{ mlbridge.wilson_end('+', 'share', 'n_effective', 't_quantile') }} end as share_high,
      case when share is null then {{ mlbridge.loss_end('-') }} end as loss_low,
      case when share is null then {{ mlbridge.loss_end('+') }} end as loss_high
    from lost
  )
{%- endmacro %}

{% macro interval_end(side) %}
  {#- One end of the 95 % interval; NULL where none can be stated. No interval has a width of zero. -#}
  {%- set end, other = ('low', 'high') if side == '-' else ('high', 'low') -%}
  case
    when metric = 'f1' then 2 * share_{{ end }} / (1 + share_{{ end }})
    {% if side == '-' -%}
    when metric = 'average_precision' then {{ mlbridge.wilson_end('-', mlbridge.at_least('(share - optimism)', '0'), 'n_effective', 't_quantile') }}
    {% endif -%}
    when share is not null then share_{{ end }}
    when metric = 'median_absolute_error' then {{ end }}
    when metric = 'r2' then 1 - loss_{{ other }}
    else loss_{{ end }}
  end
{%- endmacro %}
