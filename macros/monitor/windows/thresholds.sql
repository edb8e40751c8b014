{# Thresholds that a model's spec fixes. #}

{% macro fixed_thresholds() %}
  {#-
    `model, feature, metric, threshold`: the thresholds in the specs' `monitor`; `feature` is NULL where one holds for all
    features.
  -#}
  {%- set rows = [] -%}
  {%- for name in mlbridge.models() if execute -%}
    {%- set monitor = mlbridge.monitor(name) -%}
    {%- for feature, fixed in dict({none: monitor.thresholds}, **monitor.feature_thresholds).items() -%}
      {%- for metric, threshold in fixed.items() -%}
        {%- do rows.append('select ' ~ mlbridge.text(name) ~ ' as model, cast(' ~ mlbridge.text(feature) ~ ' as '
          ~ dbt.type_string() ~ ') as feature, ' ~ mlbridge.text(metric) ~ ' as metric, ' ~ mlbridge.number(threshold)
          ~ ' as threshold') -%}
      {%- endfor -%}
    {%- endfor -%}
  {%- endfor -%}
  {%- set nothing = 'select cast(null as ' ~ dbt.type_string() ~ ') as model, cast(null as ' ~ dbt.type_string()
    ~ ') as feature, cast(null as ' ~ dbt.type_string() ~ ') as metric, cast(null as ' ~ mlbridge.type_double()
    ~ ') as threshold from ' ~ mlbridge.numbers(1) ~ ' as nowhere where 1 = 0' -%}
  {{ return(rows | join(' union all ') if rows else nothing) }}
{% endmacro %}
