{# The version of the package. #}

{% macro version() %}{{ return('0.16.0') }}{% endmacro %}
