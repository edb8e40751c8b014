{# The version of the package. #}

{% macro version() %}{{ return('0.10.0') }}{% endmacro %}
