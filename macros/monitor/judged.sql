{# The threshold of a performance: how much of the usual skill a window may lack. #}

{% macro judged(rows) %}
  {#-
    The CTEs up to `judged`: `rows` with `threshold` and `muted`. Skill is the share of the way from the naive baseline on the
    window's own rows to perfect. A threshold is the usual skill less what a window may lack, but asks for half of the
    usual skill where chance leaves that much; so it is never looser than the baseline.
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
      {{ mlbridge.error_of_skill() }} as skill_error
    from skilled
  ),

  chanced as (
    select
      scattered.*,
      {{ mlbridge.student('deviations', mlbridge.at_least('df', '3')) }} * sqrt(1 + n / n_usual) * skill_error as chance,
      own_skill + {{ mlbridge.student('deviations', mlbridge.at_least('df', '3')) }} * sqrt(1 + n / n_usual) * skill_se < 0
      and skill_se > 1e-6 * se as is_worse_than_naive,
      {{ mlbridge.at_least('variance - skill_error * skill_error * n * windows / n_usual', '0') }} as apart
    from scattered
  ),

  asked as (
    select
      chanced.*,
      skill - {{ mlbridge.allowed_loss() }} as usual_less,
      case when skill / 2 < skill - chance then skill / 2 else skill - chance end as least
    from chanced
  ),

  judged as (
    select
      asked.*,
      coalesce(
        fixed_threshold,
        baseline + (perfect - baseline) * case
          when usual_less > 0 and usual_less >= least then usual_less
          when least > 0 then least
          else 0
        end
      ) as threshold,
      {{ mlbridge.muted_performance() }} as muted
    from asked
  )
{%- endmacro %}

{% macro allowed_loss() %}
  {#-
    What a window may lack of the usual skill: what chance gives with so many rows and blocks, in this window and in those that
    are usual, at `deviations` standard errors, and what windows differ by beyond that; at least the floor.
  -#}
  {%- set usual = 'case when windows > 1 then ' ~ mlbridge.student('deviations', '(windows - 1)')
    ~ ' * sqrt(1 + 1e0 / windows) else 0 end' -%}
  {{ return(mlbridge.at_least('sqrt(chance * chance + power(' ~ usual ~ ', 2) * apart)', 'floor_of_skill')) }}
{% endmacro %}

{% macro student(k, df) %}
  {#- What Student's t stays within as surely as a normal number within `k` (Cornish and Fisher 1938). -#}
  (
    {{ k }} + (power({{ k }}, 3) + {{ k }}) / (4e0 * {{ df }})
    + (5 * power({{ k }}, 5) + 16 * power({{ k }}, 3) + 3 * {{ k }}) / (96e0 * {{ df }} * {{ df }})
    + (3 * power({{ k }}, 7) + 19 * power({{ k }}, 5) + 17 * power({{ k }}, 3) - 15 * {{ k }}) / (384e0 * power({{ df }}, 3))
  )
{%- endmacro %}

{% macro error_of_skill() %}
  {#-
    The standard error that the skill would have if the window were a usual one: of a share that of the expected share over as
    many rows as this window's stands for (as Wilson's interval has it, so that a recall of 0 is not taken for certain), of a
    loss in proportion to the expected loss. From the error of the skill or, where what was lost has blown that up, of the value.
  -#}
  {%- set way = 'nullif(abs(perfect - baseline), 0)' -%}
  {%- set of_value = 'coalesce(se, 0) / ' ~ way -%}
  {%- set smaller = '(case when skill_se < ' ~ of_value ~ ' then skill_se else ' ~ of_value ~ ' end)' -%}
  case
    when share is null then {{ smaller }} * {{ mlbridge.at_least('1 - skill', '0') }} / nullif(1 - own_skill, 0)
    when skill_se > 1e-6 * se and value > 0 and value < 1
      then {{ smaller }} * sqrt({{ mlbridge.at_least('expected * (1 - expected)', '0') }} / (value * (1 - value)))
    else sqrt({{ mlbridge.at_least('expected * (1 - expected)', '0') }} / nullif(support, 0)) / {{ way }}
  end
{%- endmacro %}

{% macro interval_end(side) %}
  {#- An end of the 95 % interval. NULL where none can be stated: none is of width zero. -#}
  {%- set wilson = mlbridge.wilson_end(side, 'share', 'n_effective', 't') -%}
  {%- set other = '-' if side == '+' else '+' -%}
  case
    when metric = 'f1' then 2 * {{ wilson }} / (1 + {{ wilson }})
    when share is not null then {{ wilson }}
    when metric = 'median_absolute_error' then {{ 'low' if side == '-' else 'high' }}
    when metric = 'r2' and se > 0 and t * se < 50 * (1 - value) then 1 - (1 - value) * exp(0 {{ other }} t * se / (1 - value))
    when metric <> 'r2' and se > 0 and t * se < 50 * value then value * exp(0 {{ side }} t * se / value)
  end
{%- endmacro %}

{% macro muted_performance() %}
  {#- Why a figure cannot alert, in words; NULL where it can. -#}
  case
    when n = 0 then 'its outcomes were withdrawn'
    when value is null then 'not defined on these rows'
    when window_end > cast('{{ mlbridge.as_of() }}' as timestamp) then 'the window is not over'
    when n < {{ mlbridge.enough_rows() }} then 'fewer than {{ mlbridge.enough_rows() }} rows'
    when events < {{ mlbridge.enough_events() }} then 'fewer than {{ mlbridge.enough_events() }} rows outside the commonest class'
    when support < {{ mlbridge.enough_events() }} then 'it rests on fewer than {{ mlbridge.enough_events() }} rows'
    when is_fixed then null
    when baseline = perfect then 'the naive baseline is perfect on these rows, as where all outcomes are alike'
    when baseline is null then 'nothing known of the naive baseline on these rows'
    when skill is null then 'no other window of the training to compare with'
    when not is_by_window and window_start < trained then 'the only rows to compare with are among its own'
    when skill <= 0 then 'no better than the naive baseline in the training either'
    when skill <= chance and not coalesce(is_worse_than_naive, false) then 'so few rows or blocks that chance alone may hide all of its skill'
  end
{%- endmacro %}
