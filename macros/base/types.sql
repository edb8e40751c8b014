{# Families of types. #}

{% macro family(type) %}
  {#- The family of a type: types of one family that differ in width, precision or enum values are alike. -#}
  {%- set plain = type.split('(')[0] | lower | replace(' without time zone', '') | replace('timestamp_ntz', 'timestamp') | trim -%}
  {%- set column = api.Column.create('feature', plain) -%}
  {%- if column.is_string() or plain in ['enum', 'string', 'char'] -%}{{ return('text') }}{%- endif -%}
  {%- if column.is_integer() or plain in ['int', 'tinyint', 'utinyint', 'usmallint', 'uinteger', 'ubigint', 'hugeint', 'uhugeint'] -%}
    {{ return('integer') }}
  {%- endif -%}
  {{ return('float' if column.is_float() else 'decimal' if column.is_numeric() else plain) }}
{% endmacro %}
