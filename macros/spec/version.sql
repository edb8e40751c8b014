{# The version of the package. #}

{% macro version() %}{{ return('0.13.0') }}{% endmacro %}
