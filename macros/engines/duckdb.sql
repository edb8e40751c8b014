{# DuckDB. #}

{% macro duckdb__json_item(array, index) %}{{ return('json_extract_string(' ~ array ~ ", '$[" ~ index ~ "]')") }}{% endmacro %}

{% macro duckdb__column_names(relations) %}
  {#- dbt's own way binds a view. Here the case of a name does not count. -#}
  {{ return(mlbridge.columns_in_catalog(relations | map(attribute='identifier') | map('lower'), 'lower(table_name)', relations)) }}
{% endmacro %}

{% macro duckdb__inserts_by_contract() %}{{ return(config.get('materialized') != 'view') }}{% endmacro %}

{% macro duckdb__publication(tables, branches, facts) %}
  {#-
    Python, because SQL can neither set the mode of a file nor make or remove a folder. What goes wrong in it is left in a variable of the
    session and said by SQL: of an error of Python in a hook dbt shows a traceback at most.
  -#}
  {%- set python -%}
from mlbridge.serving.publishing import publish_all

class dbtObj:
    def __init__(self, load): pass

def model(dbt, session):
    problem = None
    try:
        publish_all(session, {{ tables }}, {{ branches }}, **{{ facts }})
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
  {{ return('read_parquet(' ~ files ~ ')' if there else none) }}
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
