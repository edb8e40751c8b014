{# The version of the package. #}

{% macro version() %}{{ return('0.9.0') }}{% endmacro %}
