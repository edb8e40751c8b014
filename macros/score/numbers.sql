{# Doubles that an estimator may refuse. #}

{% macro is_infinite(number) %}
  {{ return(number ~ " in (cast('inf' as " ~ mlbridge.type_double() ~ "), cast('-inf' as " ~ mlbridge.type_double() ~ '))') }}
{% endmacro %}

{% macro is_large(number) %}
  {#- Finite, but infinite as a 32-bit float; NaN counts as greater than infinity. -#}
  {{ return('abs(' ~ number ~ ') >= 3.4028235677973366e38 and abs(' ~ number ~ ") < cast('inf' as " ~ mlbridge.type_double() ~ ')') }}
{% endmacro %}
