{#
  An append-only table: the rows of the node are appended to the table in one transaction, also with
  `--full-refresh`. It is for the logbook and the predictions, which cannot be built again.
  A Python node gets the facts of the build as `dbt.mlbridge` (`with_run`): the clock, the vars, the spec, and what the macros
  have decided for it. A training node in SQL writes them down for `mlbridge train` (`settle_training`).
#}
{% materialization mlbridge, default, supported_languages=['python', 'sql'] %}
  {%- set existing = load_cached_relation(this) -%}
  {%- set target = this.incorporate(type='table') -%}
  {%- set arrived = make_intermediate_relation(target) -%}
  {%- set is_logbook = model.name.endswith('_training') -%}
  {%- if existing is not none and not existing.is_table -%}
    {{ mlbridge.refuse(model.name, existing ~ " is a " ~ existing.type ~ ", not a table. Drop or rename it.") }}
  {%- endif -%}
  {%- do mlbridge.check_split(modules.re.sub('_(training|predictions)$', '', model.name)) -%}
  {#- Rows that a killed build made and had not appended yet. -#}
  {{ drop_relation_if_exists(load_cached_relation(arrived)) }}

  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {%- set taken_in = 0 if is_logbook else mlbridge.take_in_requests(existing) -%}
  {%- set language = model['language'] -%}
  {%- set code = mlbridge.with_run(compiled_code, existing is not none) if language == 'python' else compiled_code -%}
  {#- The queries above may have left a transaction open, in which what Python writes on its own would not be visible. -#}
  {%- do mlbridge.end_transaction() -%}
  {%- call statement('arrive', language=language) -%}
    {{ create_table_as(False, arrived, code, language) }}
    {%- if language == 'python' %}
{{ mlbridge.answering_refusals() }}
    {%- endif %}
  {%- endcall -%}
  {%- set names = mlbridge.names_in(arrived) -%}
  {%- if language == 'python' -%}{%- do mlbridge.refuse_as_answered(arrived, names) -%}{%- endif -%}
  {%- set rows = taken_in + run_query('select count(*) from ' ~ arrived).columns[0].values()[0] | int -%}

  {%- do mlbridge.begin_transaction(existing) -%}
  {{ run_hooks(pre_hooks, inside_transaction=True) }}
  {%- if existing is none -%}
    {% do adapter.rename_relation(arrived, target) %}
  {%- else -%}
    {%- if names | reject('in', mlbridge.names_in(existing)) | list -%}
      {%- do process_schema_changes('append_new_columns', arrived, existing) -%}
    {%- endif -%}
    {%- set quoted = [] -%}
    {%- for name in names -%}{%- do quoted.append(mlbridge.quoted(name)) -%}{%- endfor -%}
    {%- set columns = quoted | join(', ') -%}
    {%- call statement('append', auto_begin=True) -%}
      insert into {{ target }} ({{ columns }}) select {{ mlbridge.all_at_once() if is_logbook }} {{ columns }} from {{ arrived }}
      {%- if is_logbook and language == 'sql' %}
      {#-
        A build at the same time may have taken the same answer in since these rows were read. This one sees what is committed: all of it
        where beginning the transaction has waited for that build.
      #}
      where invocation_id not in (select invocation_id from {{ target }})
      {%- endif %}
    {%- endcall -%}
    {%- call statement('drop') -%} drop table {{ arrived }} {%- endcall -%}
  {%- endif -%}
  {%- if is_logbook and language == 'sql' -%}{%- do mlbridge.settle_training(target, rows) -%}{%- endif -%}
  {%- call noop_statement('main', 'INSERT ' ~ rows, 'INSERT', rows) -%}
    {{ code }}
  {%- endcall -%}
  {% do apply_grants(target, config.get('grants'), should_revoke=should_revoke(existing, full_refresh_mode=False)) %}
  {% do persist_docs(target, model) %}
  {{ run_hooks(post_hooks, inside_transaction=True) }}
  {% do mlbridge.commit_transaction() %}
  {{ run_hooks(post_hooks, inside_transaction=False) }}

  {{ return({'relations': [target]}) }}
{% endmaterialization %}
