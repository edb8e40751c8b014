{# SQL that depends on the drift metric of a row, from the table in `drift_metrics.sql`. #}

{% macro drift_metric_columns() %}
  {#- The value of each metric as a column of its name. -#}
  {%- set columns = [] -%}
  {%- for name, metric in mlbridge.drift_metrics().items() -%}{%- do columns.append(metric.value ~ ' as ' ~ name) -%}{%- endfor -%}
  {{ return(columns | join(', ')) }}
{% endmacro %}

{% macro by_drift_metric(property) %}
  {#- A property of the drift metric that the column `metric` names, as SQL. -#}
  {%- set own = {} -%}
  {%- for name, metric in mlbridge.drift_metrics().items() if property in metric -%}
    {%- do own.update({mlbridge.text(name): metric[property]}) -%}
  {%- endfor -%}
  {{ return(mlbridge.pick('metric', own, mlbridge.drift_metric_defaults()[property])) }}
{% endmacro %}

{% macro metrics_that(property) %}
  {#- The drift metrics of which a property is true, as a list in SQL. -#}
  {%- set names = [] -%}
  {%- for name, metric in mlbridge.drift_metrics().items() if metric[property] -%}{%- do names.append(mlbridge.text(name)) -%}{%- endfor -%}
  {{ return('(' ~ names | join(', ') ~ ')') }}
{% endmacro %}

{% macro as_distance(value) %}
  {#- A value without its sign, as a distance: the root of a square, which is less skewed. Rounding leaves squares below 0. -#}
  {{ return('case when metric in ' ~ mlbridge.metrics_that('is_squared') ~ ' then sqrt(case when ' ~ value ~ ' > 0 then ' ~ value
    ~ ' else 0 end) else ' ~ mlbridge.without_sign(value) ~ ' end') }}
{% endmacro %}

{% macro of_distance(distance) %}
  {#- The inverse of `as_distance`: the value that has this distance. -#}
  {{ return('case when metric in ' ~ mlbridge.metrics_that('is_squared') ~ ' then (' ~ distance ~ ') * (' ~ distance ~ ') else '
    ~ distance ~ ' end') }}
{% endmacro %}

{% macro without_sign(value) %}
  {#- The value as it is compared with the threshold: without its sign if a negative value is as much of a change as a positive one. -#}
  {{ return('case when metric in ' ~ mlbridge.metrics_that('is_signed') ~ ' then abs(' ~ value ~ ') else ' ~ value ~ ' end') }}
{% endmacro %}
