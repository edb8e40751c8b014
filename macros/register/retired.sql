{# Versions that the spec takes out of scoring and of every comparison. #}

{% macro is_retired(name) %}
  {#- A condition on the column `version` of a model's logbook. -#}
  {%- set versions = mlbridge.spec(name).retire -%}
  {{ return('version in (' ~ versions | join(', ') ~ ')' if versions else '1 = 0') }}
{% endmacro %}
