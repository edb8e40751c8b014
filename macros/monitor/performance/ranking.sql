{# The ranks of the rows of a class, sorted by score. #}

{% macro ranked_groups(groups, keys) %}
  {#- The CTEs `parts` (a number for each class of each `keys`) to `placed` (the groups with their ranks). -#}
  {%- set key = keys | join(', ') -%}
  {%- set of_part = 'partition by part order by score range between ' -%}
  {%- set upwards = '(' ~ of_part ~ 'unbounded preceding and current row)' -%}
  {%- set at_the_score = '(' ~ of_part ~ 'current row and current row)' -%}
  -- one number in place of the keys and the class: sorting by it costs half as much as by texts
  parts as (
    select
      {{ key }},
      class_no,
      sum(pos) as pos_all,
      sum(neg) as neg_all,
      row_number() over (order by {{ key }}, class_no) as part
    from {{ groups }}
    group by {{ key }}, class_no
  ),

  parted as (
    select
      {{ groups }}.*,
      parts.part,
      parts.pos_all,
      parts.neg_all
    from {{ groups }}
    inner join parts on {{ mlbridge.same(groups, 'parts', 'class_no, ' ~ key) }}
  ),

  -- rows up to a score, and at the score itself
  ranked as (
    select
      parted.*,
      sum(pos) over {{ upwards }} as pos_to,
      sum(neg) over {{ upwards }} as neg_to,
      sum(pos) over {{ at_the_score }} as pos_tied,
      sum(neg) over {{ at_the_score }} as neg_tied
    from parted
  ),

  from_here as (
    select
      ranked.*,
      pos_all - pos_to + pos_tied as pos_from,
      pos_all - pos_to + pos_tied + neg_all - neg_to + neg_tied as rows_from
    from ranked
  ),

  -- the share of the negatives below each positive and of the positives above each negative, ties half; the precision at
  -- this score, and how much a row here adds to, and takes from, the precisions at this score and all below it
  placed as (
    select
      from_here.*,
      (neg_to - neg_tied / 2) / nullif(neg_all, 0) as pos_place,
      (pos_all - pos_to + pos_tied / 2) / nullif(pos_all, 0) as neg_place,
      pos_from / nullif(rows_from, 0) as right_from,
      sum(pos / nullif(rows_from, 0)) over {{ upwards }} as gained,
      sum(pos * pos_from / nullif(rows_from * rows_from, 0)) over {{ upwards }} as paid
    from from_here
  )
{%- endmacro %}
