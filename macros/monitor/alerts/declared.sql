{# The declared models as a relation, for what has a row for each of them. #}

{% macro declared_models() %}
  {#-
    A select with a row per declared model: `model`; `target`; `metric`, by which its versions are chosen, from the spec or its
    default; `unit`, that of the metric: the name of the target whose unit it has, else NULL; `window_days`, the length of a window
    (31 for a month).
  -#}
  {%- set losses = ['rmse', 'mae', 'median_absolute_error'] -%}
  {%- set days = {'day': 1, 'week': 7, 'month': 31} -%}
  {%- set rows = ["select '' as model, '' as target, '' as metric, '' as unit, 0 as window_days from " ~ mlbridge.numbers(1) ~ ' as nowhere where 1 = 0'] -%}
  {%- for name in mlbridge.models() if execute -%}
    {%- set spec = mlbridge.spec(name) -%}
    {%- set metric = spec.metric or ('rmse' if spec.task == 'regression' else 'average_precision') -%}
    {%- do rows.append('select ' ~ mlbridge.text(name) ~ ' as model, ' ~ mlbridge.text(spec.target) ~ ' as target, ' ~ mlbridge.text(metric)
      ~ ' as metric, ' ~ mlbridge.text(spec.target if metric in losses else none) ~ ' as unit, ' ~ days[spec.monitor.window]
      ~ ' as window_days') -%}
  {%- endfor -%}
  {{ return(rows | join(' union all ')) }}
{% endmacro %}
