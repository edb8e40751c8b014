{# What `mlbridge doctor --conformance` asks of a warehouse: one call for each statement, because dbt ends a call at the first that fails. #}

{% macro conformance(suffix, check, rows=[], query=none) %}
  {#-
    In the schema `mlbridge_conformance_<suffix>`. `check` is `begin`, which makes it; `fill`, which makes a table of `rows` in it; `end`,
    which drops it; or the name of one of `conformance_queries`, of which the rows are logged. `query` is a SELECT over `conformance_rows`,
    asked in the place of it.
  -#}
  {%- set schema = 'mlbridge_conformance_' ~ suffix -%}
  {%- set table = api.Relation.create(database=target.database, schema=schema, identifier='conformance_rows', type='table') -%}
  {%- if check == 'begin' -%}
    {%- if adapter.check_schema_exists(target.database, schema) -%}
      {{ mlbridge.refuse('conformance', 'the schema ' ~ schema ~ ' is there already.') }}
    {%- endif -%}
    {%- do adapter.create_schema(table) -%}
  {%- elif check == 'fill' -%}
    {%- call statement('make') -%} create table {{ table }} as {{ mlbridge.conformance_rows(rows) }} {%- endcall -%}
  {%- elif check == 'end' -%}
    {%- do adapter.drop_schema(table) -%}
  {%- else -%}
    {%- if check == 'delete and insert' -%}{%- do mlbridge.conformance_history(table) -%}{%- endif -%}
    {%- set asked = query | replace('conformance_rows', table) if query else mlbridge.conformance_queries(table)[check] -%}
    {%- set found = [] -%}
    {%- for row in run_query(asked).rows -%}
      {%- set values = [] -%}
      {%- for value in row -%}{%- do values.append(none if value is none else value | string) -%}{%- endfor -%}
      {%- do found.append(values) -%}
    {%- endfor -%}
    {%- do log('mlbridge_found: ' ~ tojson(found)) -%}
  {%- endif -%}
  {%- do mlbridge.end_transaction() -%}
{% endmacro %}

{% macro conformance_rows(rows) %}
  {%- set selects = [] -%}
  {%- for row in rows -%}
    {%- do selects.append('select cast(' ~ row.id ~ ' as integer) as id, cast(' ~ mlbridge.text(row.label) ~ ' as ' ~ dbt.type_string()
      ~ ') as label, cast(' ~ mlbridge.number(row.amount) ~ ' as ' ~ mlbridge.type_double() ~ ') as amount, cast('
      ~ mlbridge.text(row.moment) ~ ' as timestamp) as moment, cast(' ~ mlbridge.text(row.document) ~ ' as ' ~ dbt.type_string()
      ~ ') as document') -%}
  {%- endfor -%}
  {{ return(selects | join('\nunion all\n')) }}
{% endmacro %}

{% macro conformance_history(table) %}
  {#- As an incremental table is brought up to date: what is there already is deleted and inserted anew. -#}
  {%- set history = table.incorporate(path={'identifier': 'conformance_history'}) -%}
  {%- for sql in [
    'create table ' ~ history ~ ' as select id, label from ' ~ table ~ ' where id < 4',
    'delete from ' ~ history ~ ' where id in (select id from ' ~ table ~ ' where id > 2)',
    'insert into ' ~ history ~ ' (id, label) select id, label from ' ~ table ~ ' where id > 2',
  ] -%}
    {%- call statement('history') -%} {{ sql }} {%- endcall -%}
  {%- endfor -%}
{% endmacro %}

{% macro conformance_queries(table) %}
  {#- By name: the statements in which engines differ, over a table of a few rows, ordered. -#}
  {%- set history = table.incorporate(path={'identifier': 'conformance_history'}) -%}
  {%- set fields = {'name': 'text', 'value': 'number', 'n': 'count'} -%}
  {%- set columns = {
    'types': ['cast(id as ' ~ dbt.type_bigint() ~ ')', 'cast(amount as ' ~ mlbridge.type_double() ~ ')', 'cast(label as ' ~ dbt.type_string() ~ ')',
              'cast(moment as timestamp)'],
    'hash of the split': [dbt.hash('label'), mlbridge.whole_number(dbt.hash('label'))],
    'keys': [mlbridge.json_array(['label', 'cast(id as ' ~ dbt.type_string() ~ ')'])],
    'moments': [mlbridge.epoch('moment'), mlbridge.truncated('day', 'moment'), mlbridge.truncated('week', 'moment'),
                mlbridge.truncated('month', 'moment'), mlbridge.later('day', 'id', 'moment')],
    'time zones': [mlbridge.in_zone('moment', 'America/New_York')],
    'numbers': [mlbridge.four_decimals('amount'), mlbridge.not_nan('amount')],
    'readable documents': ['case when ' ~ mlbridge.can_unfold('document') ~ ' then 1 else 0 end'],
    'array items': [mlbridge.item_number("'[1.5, 2]'", 1)],
  } -%}
  {%- set queries = {
    'documents': 'select unfolded.id, unfolded.name, unfolded.value, unfolded.n from '
      ~ mlbridge.unfold(table, 'document', ['id'], fields) ~ ' as unfolded order by unfolded.id, unfolded.n',
    'joined texts': 'select ' ~ mlbridge.joined('label', 'id') ~ ' from ' ~ table ~ ' where id < 3',
    'delete and insert': 'select id, label from ' ~ history ~ ' order by id',
  } -%}
  {%- for name, chosen in columns.items() -%}
    {%- set named = [] -%}
    {%- for each in chosen -%}{%- do named.append(each ~ ' as value_' ~ loop.index) -%}{%- endfor -%}
    {%- do queries.update({name: 'select id, ' ~ named | join(', ') ~ ' from ' ~ table ~ ' order by id'}) -%}
  {%- endfor -%}
  {{ return(queries) }}
{% endmacro %}
