{# A JSON document of the logbook as rows: an array of flat objects becomes a table with one column per field. #}

{% macro unfold(relation, document, keys, fields, condition='1 = 1') %}
  {#-
    A relation with a row per object in the column `document`, of the rows of `relation` that meet `condition` (about `source`):
    the columns `keys` of that row, and the object's `fields`, which maps a name to text, number or count. A document that
    is NULL has no rows.
  -#}
  {{ return(adapter.dispatch('unfold', 'mlbridge')(relation, document, keys, fields, condition)) }}
{% endmacro %}

{% macro default__unfold(relation, document, keys, fields, condition) %}
  {%- set types = {'text': 'text', 'number': mlbridge.type_double(), 'count': 'bigint'} -%}
  (
    select {{ mlbridge.columns_of('source', keys) }}, {{ mlbridge.columns_of('record', fields) }}
    from {{ relation }} as source
    cross join lateral jsonb_to_recordset(cast(source.{{ document }} as jsonb)) as record(
      {%- for name, type in fields.items() %}{{ mlbridge.named(name) }} {{ types[type] }}{{ ', ' if not loop.last }}{% endfor -%}
    )
    where {{ condition }}
  )
{%- endmacro %}

{% macro duckdb__unfold(relation, document, keys, fields, condition) %}
  {%- set types = {'text': 'VARCHAR', 'number': 'DOUBLE', 'count': 'BIGINT'} -%}
  {%- set shape = {} -%}
  {%- for name, type in fields.items() -%}{%- do shape.update({name: types[type]}) -%}{%- endfor -%}
  (
    select {{ mlbridge.columns_of('unfolded', keys) }}, {{ mlbridge.columns_of('record', fields) }}
    from (
      select
        {{ mlbridge.columns_of('source', keys) }},
        unnest(from_json(source.{{ document }}, {{ mlbridge.text(tojson([shape])) }})) as record
      from {{ relation }} as source
      where {{ condition }}
    ) as unfolded
  )
{%- endmacro %}

{% macro spark__unfold(relation, document, keys, fields, condition) %}
  {%- set types = {'text': 'string', 'number': 'double', 'count': 'bigint'} -%}
  {%- set shape = [] -%}
  {%- for name, type in fields.items() -%}{%- do shape.append(mlbridge.quoted(name) ~ ': ' ~ types[type]) -%}{%- endfor -%}
  (
    select {{ mlbridge.columns_of('unfolded', keys) }}, {{ mlbridge.columns_of('record', fields) }}
    from (
      select
        {{ mlbridge.columns_of('source', keys) }},
        explode(from_json(source.{{ document }}, 'array<struct<{{ shape | join(', ') }}>>')) as record
      from {{ relation }} as source
      where {{ condition }}
    ) as unfolded
  )
{%- endmacro %}

{% macro snowflake__unfold(relation, document, keys, fields, condition) %}
  (
    select
      {{ mlbridge.columns_of('source', keys) }}
      {%- for name, type in fields.items() %},
      cast(get(record.value, '{{ name }}') as {{ mlbridge.type_of(type) }}) as {{ mlbridge.named(name) }}
      {%- endfor %}
    from {{ relation }} as source
    cross join lateral flatten(input => parse_json(source.{{ document }})) as record
    where {{ condition }}
  )
{%- endmacro %}

{% macro bigquery__unfold(relation, document, keys, fields, condition) %}
  (
    select
      {{ mlbridge.columns_of('source', keys) }}
      {%- for name, type in fields.items() %},
      cast(json_value(record, '$.{{ name }}') as {{ mlbridge.type_of(type) }}) as {{ mlbridge.named(name) }}
      {%- endfor %}
    from {{ relation }} as source
    cross join unnest(json_query_array(source.{{ document }})) as record
    where {{ condition }}
  )
{%- endmacro %}

{% macro redshift__unfold(relation, document, keys, fields, condition) %}
  {#- A SUPER can be walked through in FROM, an expression that makes one cannot. -#}
  (
    select
      {{ mlbridge.columns_of('parsed', keys) }}
      {%- for name, type in fields.items() %},
      cast(record.{{ mlbridge.named(name) }} as {{ mlbridge.type_of(type) }}) as {{ mlbridge.named(name) }}
      {%- endfor %}
    from (
      select {{ mlbridge.columns_of('source', keys) }}, json_parse(source.{{ document }}) as records
      from {{ relation }} as source
      where {{ condition }}
    ) as parsed, parsed.records as record
  )
{%- endmacro %}

{% macro columns_of(table, names) %}
  {%- set columns = [] -%}
  {%- for name in names -%}{%- do columns.append(table ~ '.' ~ mlbridge.named(name)) -%}{%- endfor -%}
  {{ return(columns | join(', ')) }}
{% endmacro %}

{% macro named(name) %}
  {#- A column of the package's own, quoted where some engine reserves the word. -#}
  {{ return(mlbridge.quoted(name) if name in ['rows', 'window'] else name) }}
{% endmacro %}

{% macro type_of(type) %}
  {{ return({'text': dbt.type_string(), 'number': mlbridge.type_double(), 'count': dbt.type_bigint()}[type]) }}
{% endmacro %}
