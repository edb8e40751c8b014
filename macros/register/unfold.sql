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
  {%- set shape = [] -%}
  {%- for name, type in fields.items() -%}
    {%- do shape.append(mlbridge.named(name) ~ ' ' ~ {'text': 'text', 'number': 'double precision', 'count': 'bigint'}[type]) -%}
  {%- endfor -%}
  (
    select {{ (mlbridge.columns_of('source', keys) + mlbridge.columns_of('record', fields)) | join(', ') }}
    from {{ relation }} as source
    cross join lateral jsonb_to_recordset(cast(source.{{ document }} as jsonb)) as record({{ shape | join(', ') }})
    where {{ condition }}
  )
{%- endmacro %}

{% macro duckdb__unfold(relation, document, keys, fields, condition) %}
  {%- set shape = {} -%}
  {%- for name, type in fields.items() -%}
    {%- do shape.update({name: {'text': 'VARCHAR', 'number': 'DOUBLE', 'count': 'BIGINT'}[type]}) -%}
  {%- endfor -%}
  {{ return(mlbridge.unfolded(relation, keys, fields, condition,
    'unnest(from_json(source.' ~ document ~ ", '" ~ tojson([shape]) ~ "'))")) }}
{% endmacro %}

{% macro spark__unfold(relation, document, keys, fields, condition) %}
  {%- set shape = [] -%}
  {%- for name, type in fields.items() -%}
    {%- do shape.append(mlbridge.quoted(name) ~ ': ' ~ {'text': 'string', 'number': 'double', 'count': 'bigint'}[type]) -%}
  {%- endfor -%}
  {{ return(mlbridge.unfolded(relation, keys, fields, condition,
    'explode(from_json(source.' ~ document ~ ", 'array<struct<" ~ shape | join(', ') ~ ">>'))")) }}
{% endmacro %}

{% macro unfolded(relation, keys, fields, condition, records) %}
  {#- For engines where an expression in SELECT, `records`, can give a row per object. -#}
  (
    select {{ (mlbridge.columns_of('unfolded', keys) + mlbridge.columns_of('record', fields)) | join(', ') }}
    from (
      select {{ (mlbridge.columns_of('source', keys) + [records ~ ' as record']) | join(', ') }}
      from {{ relation }} as source
      where {{ condition }}
    ) as unfolded
  )
{%- endmacro %}

{% macro snowflake__unfold(relation, document, keys, fields, condition) %}
  {%- set values = mlbridge.columns_of('source', keys) -%}
  {%- for name, type in fields.items() -%}
    {%- do values.append('cast(get(record.value, ' ~ mlbridge.text(name) ~ ') as ' ~ mlbridge.type_of(type) ~ ') as '
      ~ mlbridge.named(name)) -%}
  {%- endfor -%}
  (
    select {{ values | join(', ') }}
    from {{ relation }} as source
    cross join lateral flatten(input => parse_json(source.{{ document }})) as record
    where {{ condition }}
  )
{%- endmacro %}

{% macro bigquery__unfold(relation, document, keys, fields, condition) %}
  {%- set values = mlbridge.columns_of('source', keys) -%}
  {%- for name, type in fields.items() -%}
    {%- do values.append('cast(json_value(record, ' ~ mlbridge.text('$.' ~ name) ~ ') as ' ~ mlbridge.type_of(type) ~ ') as '
      ~ mlbridge.named(name)) -%}
  {%- endfor -%}
  (
    select {{ values | join(', ') }}
    from {{ relation }} as source
    cross join unnest(json_query_array(source.{{ document }})) as record
    where {{ condition }}
  )
{%- endmacro %}

{% macro redshift__unfold(relation, document, keys, fields, condition) %}
  {#- FROM walks through a column of type SUPER, not through an expression that makes one. -#}
  {%- set values = mlbridge.columns_of('parsed', keys) -%}
  {%- for name, type in fields.items() -%}
    {%- do values.append('cast(record.' ~ mlbridge.named(name) ~ ' as ' ~ mlbridge.type_of(type) ~ ') as ' ~ mlbridge.named(name)) -%}
  {%- endfor -%}
  (
    select {{ values | join(', ') }}
    from (
      select {{ (mlbridge.columns_of('source', keys) + ['json_parse(source.' ~ document ~ ') as records']) | join(', ') }}
      from {{ relation }} as source
      where {{ condition }}
    ) as parsed, parsed.records as record
  )
{%- endmacro %}

{% macro columns_of(table, names) %}
  {%- set columns = [] -%}
  {%- for name in names -%}{%- do columns.append(table ~ '.' ~ mlbridge.named(name)) -%}{%- endfor -%}
  {{ return(columns) }}
{% endmacro %}

{% macro named(name) %}
  {#- A column of the package's own, quoted where some engine reserves the word. -#}
  {{ return(mlbridge.quoted(name) if name in ['rows', 'window', 'check'] else name) }}
{% endmacro %}

{% macro type_of(type) %}
  {{ return({'text': dbt.type_string(), 'number': mlbridge.type_double(), 'count': dbt.type_bigint()}[type]) }}
{% endmacro %}
