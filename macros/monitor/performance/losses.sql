{# The losses of a row of a classification. #}

{% macro brier_of_row(scores, names) %}
  {#- The squared errors summed over many classes (Brier 1950); at least 1e-100, so that its powers do not underflow. -#}
  {%- set squares = [] -%}
  {%- for place, score in scores.items() -%}
    {%- do squares.append('power(case when truth = ' ~ names[place] ~ ' then 1 else 0 end - case when ' ~ score ~ ' > 1e-50 then ' ~ score ~ ' else 0 end, 2)') -%}
  {%- endfor -%}
  {{ return(mlbridge.at_least('(' ~ squares | join(' + ') ~ ')', '1e-100')) }}
{% endmacro %}

{% macro surprise(probability) %}
  {#- -ln of a probability, which is limited to the machine epsilon from 0 and 1. -#}
  {%- set least = '2.220446049250313e-16' -%}
  -ln(case when {{ probability }} < {{ least }} then {{ least }} when {{ probability }} > 1 - {{ least }} then 1 - {{ least }}
    else {{ probability }} end)
{%- endmacro %}
