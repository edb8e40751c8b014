{# Means over the classes, and their variances. #}

{% macro variance_of_mean(variance, of) %}
  {#- The variance of a mean over the classes for which `of` is defined, taken as independent. -#}
  {{ return('sum(' ~ variance ~ ') / nullif(count(' ~ of ~ ') * count(' ~ of ~ '), 0)') }}
{% endmacro %}

{% macro mean_of_classes(value) %}
  {#- The mean over the classes that occur or are predicted; with two classes the value of the positive one. -#}
  {{ return('avg(case when classes = 1 or occurs = 1 then ' ~ value ~ ' end)') }}
{% endmacro %}

{% macro variance_of_classes(variance, of) %}
  {#- The variance of `mean_of_classes`. -#}
  {%- set counted = 'case when classes = 1 or occurs = 1 then ' -%}
  {{ return(mlbridge.variance_of_mean(counted ~ variance ~ ' end', counted ~ of ~ ' end')) }}
{% endmacro %}
