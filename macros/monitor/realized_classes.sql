{# Labelled rows of a classification, counted so that its metrics can be made of the counts. #}

{% macro of_classes(rows, classes, design_effects={}) %}
  {#- `rows`: window_start, slice, block, prediction, truth, probability and probabilities. -#}
  {%- set scores, names = {}, {} -%}
  {%- for class in classes -%}
    {%- do names.update({loop.index0: mlbridge.text(class)}) -%}
    {%- do scores.update({loop.index0: mlbridge.item_number('probabilities', loop.index0)}) -%}
  {%- endfor -%}
  {%- set double = mlbridge.type_double() -%}
  with labelled as (
    {{ rows }}
  ),

  scored as (
    select
      window_start,
      slice,
      block,
      place as class_no,
      {{ mlbridge.pick('place', scores) if classes | length > 2 else 'probability' }} as score,
      case when truth = {{ mlbridge.pick('place', names) }} then 1 else 0 end as is_of,
      case when prediction = {{ mlbridge.pick('place', names) }} then 1 else 0 end as is_predicted
    from labelled
    {% if classes | length > 2 -%}
    cross join {{ mlbridge.numbers(classes | length) }} as classes
    {%- else -%}
    cross join (select 1 as place) as classes
    {%- endif %}
  ),

  counted as (
    select
      window_start,
      slice,
      block,
      class_no,
      score,
      -- counts, because an engine keeps less for them than for sums, and there is a group for nearly every row
      cast(count(case when is_of = 1 then 1 end) as {{ double }}) as pos,
      cast(count(case when is_of = 0 then 1 end) as {{ double }}) as neg,
      cast(count(case when is_of = 1 and is_predicted = 1 then 1 end) as {{ double }}) as tp,
      cast(count(case when is_of = 0 and is_predicted = 1 then 1 end) as {{ double }}) as fp,
      {{ mlbridge.surprise('score') }} as log_of,
      {{ mlbridge.surprise('1 - score') if classes | length == 2 else '0' }} as log_of_other
    from scored
    group by window_start, slice, block, class_no, score
  ),

  grouped as (
    select
      counted.*,
      pos * (1 - score) * (1 - score) + neg * score * score as brier,
      pos * power(1 - score, 4) + neg * power(score, 4) as brier_square,
      pos * (1 - score) * (1 - score) as brier_pos,
      pos * log_of + neg * log_of_other as log,
      pos * log_of as log_pos,
      pos * log_of * log_of + neg * log_of_other * log_of_other as log_square
    from counted
  ),

  {{ mlbridge.classification_metrics('grouped', ['window_start', 'slice'], design_effects) }}

  select * from measured
{% endmacro %}

{% macro surprise(probability) %}
  {#- -ln of a probability, kept away from 0 and 1 by the epsilon of a 64-bit float. -#}
  {%- set least = '2.220446049250313e-16' -%}
  -ln(case when {{ probability }} < {{ least }} then {{ least }} when {{ probability }} > 1 - {{ least }} then 1 - {{ least }}
    else {{ probability }} end)
{%- endmacro %}
