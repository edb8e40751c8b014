{# The version of the package. #}

{% macro version() %}{{ return('0.11.0') }}{% endmacro %}
