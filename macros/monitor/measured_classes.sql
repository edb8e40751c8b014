{# From sums by class and block to metrics with standard errors, each beside the naive baseline on the same rows. #}

{% macro measured_classes(key, design_effects) %}
  {#-
    The CTEs from `of_block` to `measured`: `key`, metric, n, events (rows outside the commonest class), block_count,
    value, se, baseline, skill_se, support, low, high. `support` is the number of rows that a figure rests on, of a
    mean over classes that of the class with the fewest. Skill is the
    share of the way from the baseline to perfect.
  -#}
  {%- set metrics = mlbridge.class_metrics() -%}
  of_class as (
    {{ mlbridge.of_class(key, design_effects is none) }}
  ),

  of_all as (
    {{ mlbridge.of_all_classes(key) }}
  ),

  valued as (
    select
      of_all.*,
      {% for name, said in metrics.items() -%}
      {{ said.baseline }} as {{ name }}_baseline,
      case when classes = 1 then {{ said.slope }} else 0 end
      * ({{ said.perfect }} - {{ name }}_value) / nullif({{ said.perfect }} - {{ said.baseline }}, 0) as {{ name }}_turn
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
      {%- endfor %}
      {%- endif %}
      case when classes = 1 and 2 * pos < n then pos else n - pos end as events
    from valued
    {% if design_effects is not none -%}
    inner join by_block on {% for each in key.split(', ') %}valued.{{ each }} = by_block.{{ each }}{{ ' and ' if not loop.last }}{% endfor %}
    {%- endif %}
  ),

  measured as (
    {{ mlbridge.long_form('erred', key ~ ', n, events' ~ (', block_count' if design_effects is not none else ''),
      mlbridge.class_figures(design_effects)) }}
  )
{% endmacro %}

{% macro class_figures(design_effects) %}
  {#- The columns of each metric, for `long_form`. -#}
  {%- set figures = {} -%}
  {%- for name, said in mlbridge.class_metrics().items() -%}
    {%- set skill_variance = name ~ '_variance - 2 * ' ~ name ~ '_turn * (' ~ said.with_driver ~ ') / n + ' ~ name ~ '_turn * ' ~ name
      ~ '_turn * ' ~ said.driver ~ ' * (1 - ' ~ said.driver ~ ') / n' -%}
    {%- set way = 'nullif(abs(' ~ said.perfect ~ ' - ' ~ name ~ '_baseline), 0)' -%}
    {%- set effect = (design_effects or {}).get(name, 1) -%}
    {%- do figures.update({name: {
      'value': name ~ '_value',
      'se': mlbridge.chosen_error(name ~ '_variance', name ~ '_square', effect, design_effects is none),
      'baseline': name ~ '_baseline',
      'skill_se': mlbridge.chosen_error(mlbridge.at_least(skill_variance, '1e-4 * ' ~ name ~ '_variance'),
        name ~ '_skill_square', effect, design_effects is none) ~ ' / ' ~ way,
      'support': said.support,
      'low': 'null',
      'high': 'null',
    }}) -%}
  {%- endfor -%}
  {{ return(figures) }}
{% endmacro %}

{% macro at_least(value, least) %}
  {{ return('(case when ' ~ value ~ ' > ' ~ least ~ ' then ' ~ value ~ ' else ' ~ least ~ ' end)') }}
{% endmacro %}

{% macro chosen_error(variance, square, effect, expected) %}
  {#- By blocks where there are enough of them, else of independent rows times the root of the design effect. -#}
  {%- set of_rows = 'sqrt(' ~ mlbridge.number(effect) ~ ' * ' ~ variance ~ ')' -%}
  {%- if expected -%}{{ return(of_rows) }}{%- endif -%}
  {{ return('case when block_count >= ' ~ mlbridge.enough_blocks() ~ ' then sqrt(block_count * ' ~ square
    ~ ' / (block_count - 1e0)) else ' ~ of_rows ~ ' end') }}
{% endmacro %}
