{# The version of the package. #}

{% macro version() %}{{ return('0.12.0') }}{% endmacro %}
