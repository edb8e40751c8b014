{# From sums by class and block to metrics with their standard errors, beside the naive baseline on the same rows. #}

{% macro measured_classes(key, design_effects) %}
  {#-
    The CTEs from `of_block` to `measured`: `key`, metric, n, events (rows outside the most frequent class), block_count,
    value, se, baseline, skill_se, support, low, high, optimism and skewness. `support` is the number of rows that limits
    how well the metric is known. `optimism` (how much too high an average precision is) and `skewness` (of a loss) make
    an interval asymmetric; NULL where unknown. Skill is the share of the way from the baseline to the perfect value.
  -#}
  {%- set metrics = mlbridge.class_metrics() -%}
  of_class as (
    {{ mlbridge.of_class(key, design_effects is none) }}
  ),

  of_all as (
    {{ mlbridge.of_all_classes(key, design_effects is none) }}
  ),

  valued as (
    select
      of_all.*,
      {% for name, metric in metrics.items() -%}
      {{ metric.baseline }} as {{ name }}_baseline,
      case when classes = 1 then {{ metric.slope }} else 0 end
      * ({{ metric.perfect }} - {{ name }}_value) / nullif({{ metric.perfect }} - {{ metric.baseline }}, 0) as {{ name }}_turn
      {{- ',' if not loop.last }}
      {% endfor %}
    from of_all
  ),
  {%- if design_effects is not none %}

  {{ mlbridge.block_errors(key) }},
  {%- endif %}

  erred as (
    select
      valued.*,
      {% if design_effects is not none -%}
      by_block.block_count,
      {%- for name in metrics %}
      by_block.{{ name }}_square,
      by_block.{{ name }}_skill_square,
      {%- if metrics[name].loss %}
      by_block.{{ name }}_block_skewness,
      {%- endif %}
      {%- endfor %}
      {%- endif %}
      case when classes = 1 and 2 * pos < n then pos else n - pos end as events
    from valued
    {% if design_effects is not none -%}
    inner join by_block on {{ mlbridge.same('valued', 'by_block', key) }}
    {%- endif %}
  ),

  measured as (
    {{ mlbridge.long_form('erred', key ~ ', n, events' ~ (', block_count' if design_effects is not none else ''),
      mlbridge.class_figures(design_effects)) }}
  )
{% endmacro %}
