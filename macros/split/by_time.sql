{# The value of `ml_split` by time. Gives the CTEs after `known`, the last one called `final`. #}

{% macro split_by_time(split, time, label_time, target) %}
  {#- Cut-offs are prediction moments such that the stated shares of the labelled rows come after them; rows of one
      moment stay together. Whole numbers, because engines round fractions differently. -#}
  {%- set test = (split.test * 10000) | round | int -%}
  {%- set validation = (split.validation * 10000) | round | int -%}
  moments as (
    select {{ time }} as moment, count(*) as labelled
    from known
    where {{ target }} is not null
    group by {{ time }}
  ),

  counted as (
    select
      moment,
      sum(labelled) over (order by moment rows between unbounded preceding and current row) as so_far,
      sum(labelled) over () as labelled
    from moments
  ),

  cutoffs as (
    select
      min(case when so_far * 10000 > labelled * {{ 10000 - test - validation }} then moment end) as validation_from,
      min(case when so_far * 10000 > labelled * {{ 10000 - test }} then moment end) as test_from
    from counted
  ),

  final as (
    select
      known.*,
      case
        when {{ target }} is null then 'score'
        when {{ time }} >= test_from then 'test'
        when {{ time }} >= validation_from
          then case when {{ mlbridge.known_by(time, label_time, 'test_from', split.gap) }} then 'validation' else 'score' end
        when {{ mlbridge.known_by(time, label_time, 'validation_from', split.gap) }} then 'train'
        else 'score'
      end as ml_split
    from known
    cross join cutoffs
  )
{% endmacro %}

{% macro known_by(time, label_time, cutoff, gap) %}
  {{ label_time }} <= {{ cutoff }} and {{ time }} < {{ mlbridge.shifted(cutoff, gap, backwards=true) }}
{%- endmacro %}
