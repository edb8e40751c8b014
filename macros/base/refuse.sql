{# Compilation errors that name the node, or the var. #}

{% macro refuse_var(name, expected, found) %}
  {{ exceptions.raise_compiler_error('vars: ' ~ name ~ ': expected ' ~ expected ~ ', found ' ~ mlbridge.shown(found) ~ '.') }}
{% endmacro %}

{% macro refuse(node, problem) %}
  {{ exceptions.raise_compiler_error(node ~ ": " ~ problem) }}
{% endmacro %}
