{# The columns of `ml_realized` for each metric of a classification. #}

{% macro class_figures(design_effects) %}
  {#- The columns of each metric, for `long_form`. -#}
  {%- set figures = {} -%}
  {%- for name, metric in mlbridge.class_metrics().items() -%}
    {%- set skill_variance = name ~ '_variance - 2 * ' ~ name ~ '_turn * (' ~ metric.with_driver ~ ') / n + ' ~ name ~ '_turn * ' ~ name
      ~ '_turn * ' ~ metric.driver ~ ' * (1 - ' ~ metric.driver ~ ') / n' -%}
    {%- set way = 'nullif(abs(' ~ metric.perfect ~ ' - ' ~ name ~ '_baseline), 0)' -%}
    {%- set effect = (design_effects or {}).get(name, 1) -%}
    {%- do figures.update({name: {
      'value': name ~ '_value',
      'se': mlbridge.chosen_error(name ~ '_variance', name ~ '_square', effect, design_effects is none),
      'baseline': name ~ '_baseline',
      'skill_se': mlbridge.chosen_error(mlbridge.at_least(skill_variance, '1e-4 * ' ~ name ~ '_variance'),
        name ~ '_skill_square', effect, design_effects is none) ~ ' / ' ~ way,
      'support': metric.support,
      'low': 'null',
      'high': 'null',
      'optimism': 'ap_optimism' if name == 'average_precision' and design_effects is not none else 'null',
      'skewness': mlbridge.chosen_skewness(name, effect) if metric.loss and design_effects is not none else 'null',
    }}) -%}
  {%- endfor -%}
  {{ return(figures) }}
{% endmacro %}
