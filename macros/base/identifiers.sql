{# Names of columns as SQL. #}

{% macro columns_of(table, names) %}
  {%- set columns = [] -%}
  {%- for name in names -%}{%- do columns.append(table ~ '.' ~ mlbridge.named(name)) -%}{%- endfor -%}
  {{ return(columns) }}
{% endmacro %}

{% macro named(name) %}
  {#- A column of the package's own, quoted where some engine reserves the word. -#}
  {{ return(mlbridge.quoted(name) if name in ['rows', 'window', 'check'] else name) }}
{% endmacro %}

{% macro quoted(name) %}
  {#- An identifier in this engine's quotes, the quotes inside doubled, which `adapter.quote` does not do. -#}
  {%- set quote = adapter.quote('')[0] -%}
  {{ return(adapter.quote(name | replace(quote, quote ~ quote))) }}
{% endmacro %}
