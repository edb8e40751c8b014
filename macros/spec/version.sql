{# The version of the package. #}

{% macro version() %}{{ return('0.15.0') }}{% endmacro %}
