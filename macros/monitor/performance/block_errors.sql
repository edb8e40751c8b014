{# The variance of the metrics of a classification, summed by block of dependent rows. #}

{% macro block_errors(key) %}
  {#-
    The CTE `by_block`: how many blocks a window has and, for each metric, the sum over the blocks of the squared
    influence on the metric (`_square`) and on its skill (`_skill_square`).
  -#}
  {%- set metrics = mlbridge.class_metrics() -%}
  {%- set keys = key.split(', ') -%}
  influences as (
    select
      {% for each in keys %}b.{{ each }}, {% endfor -%}
      b.block,
      {%- for name, metric in metrics.items() %}
      sum({{ metric.influence }}) as {{ name }}_moved,
      {%- endfor %}
      max(case when c.classes = 1 then b.pos / c.n - c.pos * b.n / c.n / c.n end) as share_moved,
      max(case when c.classes = 1 then b.predicted / c.n - c.predicted * b.n / c.n / c.n end) as flagged_moved
    from of_block as b
    inner join of_class as c
      on {{ mlbridge.same('b', 'c', 'class_no, ' ~ key) }}
    group by {% for each in keys %}b.{{ each }}, {% endfor %}b.block
  ),

  by_block as (
    select
      {% for each in keys %}i.{{ each }}, {% endfor -%}
      count(*) as block_count
      {%- for name, metric in metrics.items() %},
      sum(power({{ name }}_moved / {{ 'v.' ~ metric.over if metric.over != '1' else '1' }}, 2)) as {{ name }}_square,
      {%- if metric.loss %}
      {{ mlbridge.skewness('(' ~ name ~ '_moved / nullif(v.' ~ name ~ '_value, 0))') }} as {{ name }}_block_skewness,
      {%- endif %}
      sum(power({{ name }}_moved / {{ 'v.' ~ metric.over if metric.over != '1' else '1' }}
        - v.{{ name }}_turn * coalesce({{ metric.driver }}_moved, 0), 2)) as {{ name }}_skill_square
      {%- endfor %}
    from influences as i
    inner join valued as v on {{ mlbridge.same('i', 'v', key) }}
    group by {% for each in keys %}i.{{ each }}{{ ', ' if not loop.last }}{% endfor %}
  )
{%- endmacro %}
