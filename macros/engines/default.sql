{# Standard SQL as PostgreSQL accepts it. #}

{% macro default__json_item(array, index) %}{{ return('cast(' ~ array ~ ' as jsonb) ->> ' ~ index) }}{% endmacro %}

{% macro default__four_decimals(value) %}
  {{ return('cast(cast(' ~ value ~ ' as decimal(18, 4)) as ' ~ dbt.type_string() ~ ')') }}
{% endmacro %}

{% macro default__joined(text, order) %}{{ return(dbt.listagg(text, "', '", 'order by ' ~ order)) }}{% endmacro %}

{% macro default__publication(tables, branches, online, facts) %}{#- There is nowhere to publish to yet. -#}{{ return({}) }}{% endmacro %}

{% macro default__recorded_requests(folder) %}
  {{ exceptions.raise_compiler_error('mlbridge.requests: rows of requests are taken in on DuckDB and PostgreSQL. On this engine load the files in '
    ~ folder ~ ' into a table with what loads your other data, and read that') }}
{% endmacro %}

{% macro default__parsed(document, names) %}{{ mlbridge.refuse_requests() }}{% endmacro %}

{% macro default__parsed_text(parsed, name) %}{{ mlbridge.refuse_requests() }}{% endmacro %}

{% macro default__has_fields(document, names) %}{{ mlbridge.refuse_requests() }}{% endmacro %}

{% macro default__typed(text, type) %}{{ mlbridge.refuse_requests() }}{% endmacro %}

{% macro refuse_requests() %}
  {{ exceptions.raise_compiler_error('rows of requests are taken in on DuckDB and PostgreSQL only. Take the model that calls mlbridge.requests out of the predictions node') }}
{% endmacro %}

{% macro default__types_without_order() %}{{ return([]) }}{% endmacro %}

{% macro default__published_schema(schema) %}{{ return(none) }}{% endmacro %}

{% macro default__rows_of_seed(model, agate_table) %}
  {{ return(adapter.dispatch('load_csv_rows', 'dbt')(model, agate_table)) }}
{% endmacro %}

{% macro default__made_by_contract() %}{{ return(false) }}{% endmacro %}

{% macro default__column_names(relations) %}
  {%- set found = [] -%}
  {%- for each in relations -%}{%- do found.append(adapter.get_columns_in_relation(each) | map(attribute='name') | list) -%}{%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{% macro columns_in_catalog(names, name, relations) %}
  {#-
    For engines whose `information_schema` is of the whole database: the columns of all `relations` in one query, of the tables whose
    `name`, an expression, is one of `names`. Places may be compared in lower case, because dbt refuses those that differ in case only.
  -#}
  {%- set found, places = [], {} -%}
  {%- for each in relations -%}
    {%- do found.append(places.setdefault((each.database | lower, each.schema | lower, each.identifier | lower), [])) -%}
  {%- endfor -%}
  {%- set query -%}
    select table_catalog, table_schema, table_name, column_name
    from information_schema.columns
    where {{ name }} in ({{ mlbridge.texts(names) | join(', ') }})
  {%- endset -%}
  {%- for row in run_query(query).rows -%}
    {%- do places.get((row[0] | lower, row[1] | lower, row[2] | lower), []).append(row[3]) -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{% macro default__observed_grants() %}{{ return(none) }}{% endmacro %}

{% macro default__can_read(role, schema, relation) %}{{ return('cast(null as boolean)') }}{% endmacro %}

{% macro default__unquoted_role(written) %}{{ return(written) }}{% endmacro %}

{% macro default__whole_number(hash) %}{{ return("cast(cast('x' || substring(" ~ hash ~ ', 1, 7) as bit(28)) as integer)') }}{% endmacro %}

{% macro default__epoch(value) %}{{ return('extract(epoch from ' ~ value ~ ')') }}{% endmacro %}

{% macro default__in_zone(moment, zone) %}
  {{ return('(' ~ moment ~ " at time zone 'UTC' at time zone " ~ mlbridge.text(zone) ~ ')') }}
{% endmacro %}

{% macro default__not_nan(number) %}{{ return('nullif(' ~ number ~ ", cast('NaN' as " ~ mlbridge.type_double() ~ '))') }}{% endmacro %}

{% macro default__truncated(size, moment) %}
  {{ return("date_trunc('" ~ size ~ "', " ~ moment ~ ')') }}
{% endmacro %}

{% macro default__can_unfold(text) %}
  {#-
    By a regular expression, since a cast that fails ends the query, and PostgreSQL says IS JSON from 16 on only: a list of objects, whose
    values are scalars or lists of them, also of such lists. jsonb does not take the character 0.
  -#}
  {%- set string = '"(?:[^"\\\\\\u0001-\\u001f]|\\\\(?:["\\\\/bfnrt]|u(?!0000)[0-9A-Fa-f]{4}))*"' -%}
  {%- set number = '-?(?:0|[1-9][0-9]*)(?:[.][0-9]+)?(?:[eE][+-]?[0-9]+)?' -%}
  {%- set blank = '[ \\t\\n\\r]*' -%}
  {%- set scalar = blank ~ '(?:' ~ [string, number, 'true', 'false', 'null'] | join('|') ~ ')' ~ blank -%}
  {%- set list = blank ~ '\\[' ~ blank ~ '(?:ITEM(?:,(?!' ~ blank ~ '\\])|(?=\\])))*\\]' ~ blank -%}
  {%- set value = '(?:' ~ scalar ~ '|' ~ list | replace('ITEM', '(?:' ~ scalar ~ '|' ~ list | replace('ITEM', scalar) ~ ')') ~ ')' -%}
  {%- set pair = blank ~ string ~ blank ~ ':' ~ value -%}
  {%- set object = blank ~ '\\{' ~ blank ~ '(?:PAIR(?:,(?!' ~ blank ~ '\\})|(?=\\})))*\\}' ~ blank -%}
  {{ return('cast(' ~ text ~ ' as text) ~ ' ~ mlbridge.text('^' ~ list | replace('ITEM', object | replace('PAIR', pair)) ~ '$')) }}
{% endmacro %}

{% macro default__unfold(relation, document, keys, fields, condition) %}
  {#- With `offset 0`, since PostgreSQL would else join other tables first, and read the document anew for each row of the result. -#}
  {%- set shape = [] -%}
  {%- for name, type in fields.items() -%}
    {%- do shape.append(mlbridge.named(name) ~ ' ' ~ {'text': 'text', 'number': 'double precision', 'count': 'bigint'}[type]) -%}
  {%- endfor -%}
  (
    select {{ (mlbridge.columns_of('source', keys) + mlbridge.columns_of('record', fields)) | join(', ') }}
    from {{ relation }} as source
    cross join lateral jsonb_to_recordset(cast({{ document }} as jsonb)) as record({{ shape | join(', ') }})
    where {{ condition }}
    offset 0
  )
{%- endmacro %}

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

{% macro default__json_array(texts) %}
  {#- Not by json_build_array, which puts a space after each comma. -#}
  {%- set items = [] -%}
  {%- for text in texts -%}{%- do items.append('cast(to_json(' ~ text ~ ') as text)') -%}{%- endfor -%}
  {{ return("'[' || " ~ items | join(" || ',' || ") ~ " || ']'") }}
{% endmacro %}

{% macro default__lookup(index, values) %}
  {%- set cases = {} -%}
  {%- for value in values -%}{%- do cases.update({loop.index0: value}) -%}{%- endfor -%}
  {{ return(mlbridge.pick('(' ~ index ~ ')', cases)) }}
{% endmacro %}

{% macro default__by_item(relation, kept, columns, count) %}
  {#- A cross join, which an engine streams, so that memory does not grow with the rows. -#}
  select
    {{ mlbridge.columns_of('item_source', kept) | join(', ') }},
    items.item_no
    {%- for name, column in columns.items() %},
    cast({{ mlbridge.pick('items.item_no', column.cases) }} as {{ column.type }}) as {{ name }}
    {%- endfor %}
  from {{ relation }} as item_source
  cross join {{ mlbridge.numbers(count) }} as items
{%- endmacro %}

{% macro default__type_double() %}{{ return('double precision') }}{% endmacro %}

{% macro default__begin_transaction(written) %}{% endmacro %}

{% macro default__commit_transaction() %}{% endmacro %}

{% macro default__session_settings() %}{{ return([]) }}{% endmacro %}

{% macro default__session_problem() %}{{ return(none) }}{% endmacro %}

{% macro default__words() %}{{ return([]) }}{% endmacro %}

{% macro default__substitution() %}{{ return(none) }}{% endmacro %}

{% macro default__refreshing(table) %}{{ return(none) }}{% endmacro %}

{% macro default__step_materialization() %}{{ return('ephemeral') }}{% endmacro %}

{% macro default__replacing(unique_key) %}
  {{ return({'incremental_strategy': 'delete+insert', 'unique_key': unique_key}) }}
{% endmacro %}

{% macro default__deletion(table, condition) %}{{ return('delete from ' ~ table ~ ' where ' ~ condition) }}{% endmacro %}

{% macro default__emptying(table) %}{{ return('delete from ' ~ table) }}{% endmacro %}

{% macro default__all_at_once() %}{{ return('') }}{% endmacro %}

{% macro default__type_bytes() %}{{ return('binary') }}{% endmacro %}

{% macro default__raised(message) %}
  {#- For engines without such a function: the message is cast to a number, which fails and quotes it. -#}
  {{ return('cast(cast(' ~ message ~ ' as int) as ' ~ dbt.type_string() ~ ')') }}
{% endmacro %}

{% macro default__later(unit, count, moment) %}{{ return(dbt.dateadd(unit, count, moment)) }}{% endmacro %}

{% macro default__texts(values) %}
  {%- set found = [] -%}
  {%- for value in values -%}
    {%- do found.append('null' if value is none else "'" ~ value | string | replace("'", "''") ~ "'") -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{% macro default__answering_refusals() %}{% endmacro %}

{% macro default__as_of_join(known, spine_keys, keys, at) %}
  {#-
    Without an ASOF join, rows are numbered: a moment of the spine wants the row whose number is that of the rows known by then.
    That is two sorts and a join of equals, where a join by `<=` would meet each row with all before it.
  -#}
  {%- set entity, columns, equal, same = keys | join(', '), [], [], [] -%}
  {%- for key in keys -%}
    {%- set of_spine = spine_keys[loop.index0] -%}
    {%- do columns.append(of_spine ~ ' as ' ~ key) -%}
    {%- do equal.append(of_spine ~ ' = ' ~ known ~ '_counted.' ~ key) -%}
    {%- do same.append(known ~ '_counted.' ~ key ~ ' = ' ~ known ~ '.' ~ key) -%}
  {%- endfor -%}
  {%- set steps -%}
,

  {{ known }}_numbered as (
    select *, row_number() over (partition by {{ entity }} order by ml_known_from) as ml_number from {{ known }}
  ),

  {{ known }}_moments as (
    select {{ entity }}, ml_known_from as ml_moment, 1 as ml_is_known from {{ known }}
    union all
    select distinct {{ columns | join(', ') }}, {{ at }} as ml_moment, 0 as ml_is_known from ml_spine
  ),

  {{ known }}_counted as (
    select
      {{ entity }}, ml_moment, ml_is_known,
      sum(ml_is_known) over (
        partition by {{ entity }} order by ml_moment, ml_is_known desc rows between unbounded preceding and current row
      ) as ml_number
    from {{ known }}_moments
  )
  {%- endset -%}
  {%- set join -%}
  left join {{ known }}_counted
    on {{ equal | join(' and ') }} and {{ at }} = {{ known }}_counted.ml_moment and {{ known }}_counted.ml_is_known = 0
  left join {{ known }}_numbered as {{ known }}
    on {{ same | join(' and ') }} and {{ known }}_counted.ml_number = {{ known }}.ml_number
    {#- It follows from the numbers, and lets a reader, and the search for leaks, see it. #}
    and {{ known }}.ml_known_from <= {{ at }}
  {%- endset -%}
  {{ return({'steps': steps, 'join': join}) }}
{% endmacro %}

{% macro default__looking_back(moment, is_event, duration) %}
  {%- set begin = 'unbounded' if duration is none else "interval '" ~ duration ~ "'" -%}
  {{ return('order by ' ~ moment ~ ' range between ' ~ begin ~ ' preceding and current row') }}
{% endmacro %}

{% macro default__online_materialization(hook) %}{{ return({'materialized': 'table'}) }}{% endmacro %}
