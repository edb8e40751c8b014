{# A checksum of the rows of a window. #}

{% macro fingerprint(spec, slices) %}
  {#-
    A whole number of 28 bits, from the md5 of a row's key, outcome and slices. The sum over rows is exact in a double up
    to 33 million rows, does not depend on their order, and changes when a row is added, removed or changed, or when two
    rows swap outcomes.
  -#}
  {%- set texts = ['predictions.entity', 'cast(predictions.time as ' ~ dbt.type_string() ~ ')'] -%}
  {%- for column in [spec.target] + slices -%}
    {%- do texts.append('cast(facts.' ~ mlbridge.quoted(column) ~ ' as ' ~ dbt.type_string() ~ ')') -%}
  {%- endfor -%}
  {%- set parts = [] -%}
  {%- for text in texts -%}{%- do parts.extend(['coalesce(' ~ text ~ ", ' ')", "'|'"]) -%}{%- endfor -%}
  {#- Engines differ in how they write a double: 90.0 or 90. -#}
  {%- set document = 'replace(' ~ dbt.concat(parts) ~ ", '.0|', '|')" -%}
  {{ return(mlbridge.whole_number(dbt.hash(document))) }}
{% endmacro %}
