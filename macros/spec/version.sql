{# The version of the package. #}

{% macro version() %}{{ return('0.17.0') }}{% endmacro %}
