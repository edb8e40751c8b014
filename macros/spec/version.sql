{# The version of the package. #}

{% macro version() %}{{ return('0.14.0') }}{% endmacro %}
