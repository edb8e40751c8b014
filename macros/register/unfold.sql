{# A JSON document of the logbook as rows: an array of flat objects becomes a table with one column per field. #}

{% macro unfold(document, fields) %}
  {#- `fields` maps a name to text, number or count. A NULL document has no rows. To be joined as `lateral`. -#}
  {{ return(adapter.dispatch('unfold', 'mlbridge')(document, fields)) }}
{% endmacro %}

{% macro default__unfold(document, fields) %}
  {%- set types = {'text': 'text', 'number': 'double precision', 'count': 'bigint'} -%}
  jsonb_to_recordset(cast({{ document }} as jsonb)) as item(
    {%- for name, type in fields.items() %}{{ mlbridge.quoted(name) }} {{ types[type] }}{{ ', ' if not loop.last }}{% endfor -%}
  )
{%- endmacro %}

{% macro duckdb__unfold(document, fields) %}
  {%- set types = {'text': 'VARCHAR', 'number': 'DOUBLE', 'count': 'BIGINT'} -%}
  {%- set shape = {} -%}
  {%- for name, type in fields.items() -%}{%- do shape.update({name: types[type]}) -%}{%- endfor -%}
  (
    select {% for name in fields %}record.{{ mlbridge.quoted(name) }}{{ ', ' if not loop.last }}{% endfor %}
    from (select unnest(from_json({{ document }}, '{{ tojson([shape]) }}')) as record)
  ) as item
{%- endmacro %}

{% macro spark__unfold(document, fields) %}
  {%- set types = {'text': 'string', 'number': 'double', 'count': 'bigint'} -%}
  {%- set shape = [] -%}
  {%- for name, type in fields.items() -%}{%- do shape.append(mlbridge.quoted(name) ~ ': ' ~ types[type]) -%}{%- endfor -%}
  (select inline(from_json({{ document }}, 'array<struct<{{ shape | join(', ') }}>>'))) as item
{%- endmacro %}
