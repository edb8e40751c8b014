{#
  The two tables beside the logbook of a training node in SQL. `<model>_training_request` has the facts of the build that asks for a
  decision; `<model>_training_inbox` has the rows with which `mlbridge train` answers it, until a build takes them in.
#}

{% macro inbox_of(logbook) %}{{ return(mlbridge.table_beside(logbook, '_inbox')) }}{% endmacro %}

{% macro request_of(logbook) %}{{ return(mlbridge.table_beside(logbook, '_request')) }}{% endmacro %}

{% macro table_beside(logbook, ending) %}
  {{ return(api.Relation.create(logbook.database, logbook.schema, logbook.identifier ~ ending, type='table')) }}
{% endmacro %}

{% macro logbook_types() %}
  {#- The columns of a logbook, as `LogbookRow` in `mlbridge/registry/logbook.py` has them. -#}
  {%- set text, number, moment, count = dbt.type_string(), mlbridge.type_double(), 'timestamp', dbt.type_bigint() -%}
  {{ return({
    'model_name': text, 'version': 'int', 'candidate': text, 'outcome': text, 'reason': text, 'trained_at': moment, 'as_of': moment,
    'invocation_id': text, 'spec': text, 'spec_hash': text, 'data_hash': text, 'rows_train': count, 'rows_validation': count,
    'rows_test': count, 'train_from': moment, 'train_to': moment, 'holdout_from': moment, 'features': text, 'params': text,
    'metrics': text, 'importances': text, 'profile': text, 'calibration': text, 'reference': text, 'estimation': text,
    'decision': text, 'promotion': text, 'leaks': text, 'lineage': text, 'categories': text, 'artifact': mlbridge.type_bytes(),
    'artifact_format': text, 'artifact_sha256': text, 'scoring_sql': text, 'scoring_sql_md5': text, 'scoring_sql_note': text,
    'scoring_cost': text, 'fit_seconds': number, 'peak_memory_mb': number, 'library_versions': text,
  }) }}
{% endmacro %}

{% macro answered_rows(logbook) %}
  {#- The rows that lie in the inbox of a logbook and that it does not have yet; none where there is no inbox. -#}
  {%- set inbox = load_relation(mlbridge.inbox_of(logbook)) -%}
  {%- if inbox is none -%}{{ return(mlbridge.no_answers()) }}{%- endif -%}
  {%- set there = mlbridge.names_in(inbox) | map('lower') | list -%}
  {%- set chosen = [] -%}
  {%- for name, type in mlbridge.logbook_types().items() -%}
    {%- do chosen.append('cast(' ~ (name if name in there else 'null') ~ ' as ' ~ type ~ ') as ' ~ name) -%}
  {%- endfor -%}
select {{ chosen | join(', ') }}
from {{ inbox }} as answers
  {%- if load_relation(logbook) is not none %}
where not exists (select 1 from {{ logbook }} as taken_in where taken_in.invocation_id = answers.invocation_id)
  {%- endif %}
{%- endmacro %}

{% macro no_answers() %}
  {#- A select of the columns of a logbook that gives no row. -#}
  {%- set chosen = [] -%}
  {%- for name, type in mlbridge.logbook_types().items() -%}{%- do chosen.append('cast(null as ' ~ type ~ ') as ' ~ name) -%}{%- endfor -%}
  {{ return('select * from (select ' ~ chosen | join(', ') ~ ') as nothing where 1 = 0') }}
{% endmacro %}

{% macro settle_inbox(logbook) %}
  {#- Deletes from the inbox what the logbook has by now, and makes it where it is not there, or lacks columns of a later mlbridge. -#}
  {%- set inbox = mlbridge.inbox_of(logbook) -%}
  {%- if load_relation(inbox) is none -%}
    {%- call statement('make_inbox', auto_begin=True) -%} create table {{ inbox }} as {{ mlbridge.no_answers() }} {%- endcall -%}
    {%- do adapter.cache_added(inbox) -%}
  {%- else -%}
    {%- set known = 'invocation_id in (select invocation_id from ' ~ logbook ~ ')' -%}
    {%- set deletion = mlbridge.deletion(inbox, known) or (mlbridge.emptying(inbox) if mlbridge.is_taken_in(inbox, known)) -%}
    {%- if deletion -%}{%- call statement('forget', auto_begin=True) -%} {{ deletion }} {%- endcall -%}{%- endif -%}
    {%- set there = mlbridge.names_in(inbox) | map('lower') | list -%}
    {%- for name, type in mlbridge.logbook_types().items() if name not in there -%}
      {%- call statement('widen', auto_begin=True) -%} alter table {{ inbox }} add column {{ name }} {{ type }} {%- endcall -%}
    {%- endfor -%}
  {%- endif -%}
{% endmacro %}

{% macro is_taken_in(inbox, known) %}
  {#- Whether there are answers in the inbox, and none that the logbook lacks: one may have come since this build has read it. -#}
  {%- set refreshing = mlbridge.refreshing(inbox) -%}
  {%- if refreshing -%}{%- call statement('refresh') -%} {{ refreshing }} {%- endcall -%}{%- endif -%}
  {%- set count = '(select count(*) from ' ~ inbox -%}
  {%- set all, taken_in = run_query('select ' ~ count ~ ') as answers, ' ~ count ~ ' where ' ~ known ~ ') as taken_in').rows[0] -%}
  {{ return(all > 0 and all == taken_in) }}
{% endmacro %}

{% macro settle_request(logbook, request) %}
  {#- Puts a request in the place of the one before, which is answered or is asked anew; none leaves no request. -#}
  {%- set table, type = mlbridge.request_of(logbook), dbt.type_string() -%}
  {%- if load_relation(table) is none -%}
    {%- call statement('make_request', auto_begin=True) -%}
      create table {{ table }} (invocation_id {{ type }}, request {{ type }})
    {%- endcall -%}
    {%- do adapter.cache_added(table) -%}
  {%- else -%}
    {%- call statement('forget', auto_begin=True) -%} {{ mlbridge.emptying(table) }} {%- endcall -%}
  {%- endif -%}
  {%- if request is not none -%}
    {%- call statement('ask', auto_begin=True) -%}
      insert into {{ table }} values ({{ mlbridge.text(invocation_id) }}, {{ mlbridge.text(tojson(request)) }})
    {%- endcall -%}
  {%- endif -%}
{% endmacro %}
