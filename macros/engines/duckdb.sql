{# DuckDB. #}

{% macro duckdb__json_item(array, index) %}{{ return('json_extract_string(' ~ array ~ ", '$[" ~ index ~ "]')") }}{% endmacro %}

{% macro duckdb__column_names(relations) %}
  {#- dbt's own way binds a view. Here the case of a name does not count. -#}
  {{ return(mlbridge.columns_in_catalog(relations | map(attribute='identifier') | map('lower'), 'lower(table_name)', relations)) }}
{% endmacro %}

{% macro duckdb__made_by_contract() %}{{ return(true) }}{% endmacro %}

{% macro duckdb__rows_of_seed(model, agate_table) %}
  {#- As texts, which DuckDB casts: dbt 2 looks for the file of a package's seed in another folder, and binds no values. -#}
  {%- set rows = [] -%}
  {%- for row in agate_table.rows -%}{%- do rows.append('(' ~ mlbridge.texts(row) | join(', ') ~ ')') -%}{%- endfor -%}
  {%- set names = agate_table.column_names | join(', ') -%}
  {%- do run_query('insert into ' ~ this ~ ' (' ~ names ~ ') values ' ~ rows | join(', ')) -%}
{% endmacro %}

{% macro duckdb__publication(tables, branches, online, facts) %}
  {#-
    Python, because SQL can neither set the mode of a file nor make or remove a folder. What goes wrong in it is left in a variable of the
    session and said by SQL: of an error of Python in a hook dbt shows a traceback at most. dbt 2 runs no Python here.
  -#}
  {%- if dbt_version.startswith('2.') -%}
    {%- do log('Nothing is published, because dbt 2 runs no Python on DuckDB: `mlbridge publish` does it.', info=true) -%}
    {{ return({}) }}
  {%- endif -%}
  {%- set python -%}
from mlbridge.serving.publishing import publish_all

class dbtObj:
    def __init__(self, load): pass

def model(dbt, session):
    problem = None
    try:
        publish_all(session, {{ tables }}, {{ branches }}, {{ online }}, **{{ facts }})
    except Exception as error:
        problem = f"nothing was published: {error}"
    session.execute("set variable mlbridge_problem = ?", [problem])

def materialize(answer, session): pass
  {%- endset -%}
  {%- set problem = "cast(getvariable('mlbridge_problem') as varchar)" -%}
  {{ return({'python': python, 'sql': 'select error(' ~ problem ~ ') where ' ~ problem ~ ' is not null'}) }}
{% endmacro %}

{% macro duckdb__recorded_requests(folder) %}
  {%- set literal = folder | replace('[', '[[]') | replace('*', '[*]') | replace('?', '[?]') -%}
  {%- set files = mlbridge.text(literal ~ '/*.parquet') -%}
  {%- set there = run_query('select count(*) from glob(' ~ files ~ ')').rows[0][0] if execute else 0 -%}
  {{ return('read_parquet(' ~ files ~ ', union_by_name = true)' if there else none) }}
{% endmacro %}

{% macro duckdb__parsed(document, names) %}
  {%- if names | unique | list | length < names | length -%}
    {{ mlbridge.refuse(model.name, 'columns of requests that differ only in upper and lower case cannot be read: ' ~ names | join(', ')
      ~ '. Rename them, and retire the versions that have them.') }}
  {%- endif -%}
  {%- set shape = {} -%}
  {%- for name in names -%}{%- do shape.update({name: 'VARCHAR'}) -%}{%- endfor -%}
  {{ return('from_json(' ~ document ~ ', ' ~ mlbridge.text(tojson(shape)) ~ ')') }}
{% endmacro %}

{% macro duckdb__parsed_text(parsed, name) %}{{ return('struct_extract(' ~ parsed ~ ', ' ~ mlbridge.text(name) ~ ')') }}{% endmacro %}

{% macro duckdb__has_fields(document, names) %}
  {%- set texts = [] -%}
  {%- for name in names -%}{%- do texts.append(mlbridge.text(name)) -%}{%- endfor -%}
  {{ return('list_has_all(json_keys(' ~ document ~ '), [' ~ texts | join(', ') ~ '])') }}
{% endmacro %}

{% macro duckdb__typed(text, type) %}
  {%- set cast = 'try_cast(' ~ text ~ ' as ' ~ type ~ ')' -%}
  {%- if type | lower in ['timestamp', 'timestamp with time zone'] -%}
    {#- DuckDB leaves out the offset of a text that becomes a TIMESTAMP, and reads one without an offset in the zone of the session as the other type. -#}
    {#- It also takes `infinity`, `epoch`, and names of zones, which it leaves out; what a server takes is in `mlbridge/serving/inputs.py`. -#}
    {%- set day, time = '[0-9]{4}-[0-9]{2}-[0-9]{2}', '[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?' -%}
    {%- set zoned = 'regexp_full_match(' ~ text ~ ", '" ~ day ~ time ~ "(Z|[+-][0-9]{2}:?[0-9]{2})')" -%}
    {%- set plain = 'regexp_full_match(' ~ text ~ ", '" ~ day ~ '(' ~ time ~ ")?')" -%}
    {%- set moment = 'case when ' ~ zoned ~ " then timezone('UTC', try_cast(" ~ text ~ ' as timestamptz)) when ' ~ plain ~ ' then try_cast('
      ~ text ~ ' as timestamp) end' -%}
    {{ return('(' ~ moment ~ ')' if type | lower == 'timestamp' else "timezone('UTC', " ~ moment ~ ')') }}
  {%- elif type | lower == 'date' -%}
    {{ return('(case when regexp_full_match(' ~ text ~ ", '[0-9]{4}-[0-9]{2}-[0-9]{2}') then " ~ cast ~ ' end)') }}
  {%- elif mlbridge.family(type) == 'integer' -%}
    {#- A text with a fraction would be rounded. -#}
    {{ return('(case when try_cast(' ~ text ~ ' as double) = ' ~ cast ~ ' then ' ~ cast ~ ' end)') }}
  {%- endif -%}
  {{ return(cast) }}
{% endmacro %}

{% macro duckdb__whole_number(hash) %}{{ return("cast('0x' || substring(" ~ hash ~ ', 1, 7) as int)') }}{% endmacro %}

{% macro duckdb__unfold(relation, document, keys, fields, condition) %}
  {%- set shape = {} -%}
  {%- for name, type in fields.items() -%}
    {%- do shape.update({name: {'text': 'VARCHAR', 'number': 'DOUBLE', 'count': 'BIGINT'}[type]}) -%}
  {%- endfor -%}
  {{ return(mlbridge.unfolded(relation, keys, fields, condition,
    'unnest(from_json(' ~ document ~ ", '" ~ tojson([shape]) ~ "'))")) }}
{% endmacro %}

{% macro duckdb__can_unfold(text) %}{{ return('json_valid(' ~ text ~ ')') }}{% endmacro %}

{% macro duckdb__lookup(index, values) %}{{ return('[' ~ values | join(', ') ~ '][' ~ index ~ ' + 1]') }}{% endmacro %}

{% macro duckdb__type_bytes() %}{{ return('blob') }}{% endmacro %}

{% macro duckdb__json_array(texts) %}
  {{ return('cast(json_array(' ~ texts | join(', ') ~ ') as varchar)') }}
{% endmacro %}

{% macro duckdb__raised(message) %}{{ return('cast(error(' ~ message ~ ') as varchar)') }}{% endmacro %}

{% macro duckdb__answering_refusals() %}
  {#- dbt-duckdb calls `materialize` with what `model` returns, and puts whatever either raises below a traceback. -#}
from mlbridge.nodes.refusals import answering_refusals
model, materialize = answering_refusals(model, materialize)
{% endmacro %}

{% macro duckdb__as_of_join(known, spine_keys, keys, at) %}
  {%- set equal = [] -%}
  {%- for key in keys -%}{%- do equal.append(spine_keys[loop.index0] ~ ' = ' ~ known ~ '.' ~ key) -%}{%- endfor -%}
  {{ return({
    'steps': '',
    'join': 'asof left join ' ~ known ~ ' on ' ~ equal | join(' and ') ~ ' and ' ~ at ~ ' >= ' ~ known ~ '.ml_known_from',
  }) }}
{% endmacro %}

{% macro duckdb__online_materialization(hook) %}
  {{ return({'materialized': 'incremental', 'incremental_strategy': 'append', 'on_schema_change': 'sync_all_columns', 'pre_hook': hook}) }}
{% endmacro %}
