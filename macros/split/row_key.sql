{# The key and the outcome of a row of the split, as the predictions hold them. #}

{% macro key_as_text(columns, table) %}
  {%- set texts = [] -%}
  {%- for name in columns -%}
    {%- do texts.append('cast(' ~ table ~ '.' ~ mlbridge.quoted(name) ~ ' as ' ~ dbt.type_string() ~ ')') -%}
  {%- endfor -%}
  {{ return(texts[0] if texts | length == 1 else mlbridge.json_array(texts)) }}
{% endmacro %}

{% macro same_row(predictions, facts, spec) %}
  {#- That a prediction and a row of the split have the same entity and time. -#}
  {{ return(predictions ~ '.entity = ' ~ mlbridge.key_as_text(spec.entity, facts) ~ ' and ' ~ predictions ~ '.time = cast(' ~ facts ~ '.'
    ~ mlbridge.quoted(spec.time) ~ ' as timestamp)') }}
{% endmacro %}

{% macro as_number(relation, name, table) %}
  {#- An outcome as a number: a boolean as 0 or 1, a text as NULL. -#}
  {%- set column = adapter.get_columns_in_relation(relation) | selectattr('name', 'equalto', name) | first -%}
  {%- set value = table ~ '.' ~ mlbridge.quoted(name) -%}
  {%- if column is not defined -%}{{ return('cast(null as ' ~ mlbridge.type_double() ~ ')') }}{%- endif -%}
  {%- if column.dtype | lower in ['boolean', 'bool'] -%}
    {%- set value = 'case when ' ~ value ~ ' then 1 when not ' ~ value ~ ' then 0 end' -%}
  {%- elif not column.is_number() -%}
    {%- set value = 'null' -%}
  {%- endif -%}
  {{ return('cast(' ~ value ~ ' as ' ~ mlbridge.type_double() ~ ')') }}
{% endmacro %}
