{#
  An append-only table: what the node gives is added to what is there, all of it or nothing, whatever happens and
  whatever `--full-refresh` says. For the logbook and the predictions, which are facts and cannot be built again.
  A Python node finds as `dbt.mlbridge` what decides a build from outside (the clock, the caller's wishes).
#}
{% materialization mlbridge, default, supported_languages=['python', 'sql'] %}
  {%- set existing = load_cached_relation(this) -%}
  {%- set target = this.incorporate(type='table') -%}
  {%- set arrived = make_intermediate_relation(target) -%}
  {%- if existing is not none and not existing.is_table -%}
    {{ mlbridge.refuse(model.name, existing ~ " is a " ~ existing.type ~ ", not a table. Drop or rename it.") }}
  {%- endif -%}
  {#- What a build that was killed had not added yet; that build never said it had it. -#}
  {{ drop_relation_if_exists(load_cached_relation(arrived)) }}

  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {%- set language = model['language'] -%}
  {%- set code = mlbridge.with_run(compiled_code, existing is not none) if language == 'python' else compiled_code -%}
  {%- call statement('arrive', language=language) -%}
    {{ create_table_as(False, arrived, code, language) }}
  {%- endcall -%}
  {%- set rows = run_query('select count(*) from ' ~ arrived).columns[0].values()[0] | int -%}

  {{ run_hooks(pre_hooks, inside_transaction=True) }}
  {%- if existing is none -%}
    {% do adapter.rename_relation(arrived, target) %}
  {%- else -%}
    {%- do process_schema_changes('append_new_columns', arrived, existing) -%}
    {%- set names = mlbridge.column_list(arrived) -%}
    {%- call statement('append', auto_begin=True) -%}
      insert into {{ target }} ({{ names }}) select {{ names }} from {{ arrived }}
    {%- endcall -%}
    {%- call statement('drop') -%} drop table {{ arrived }} {%- endcall -%}
  {%- endif -%}
  {%- call noop_statement('main', 'INSERT ' ~ rows, 'INSERT', rows) -%}
    {{ code }}
  {%- endcall -%}
  {% do apply_grants(target, config.get('grants'), should_revoke=should_revoke(existing, full_refresh_mode=False)) %}
  {% do persist_docs(target, model) %}
  {{ run_hooks(post_hooks, inside_transaction=True) }}
  {% do adapter.commit() %}
  {{ run_hooks(post_hooks, inside_transaction=False) }}

  {{ return({'relations': [target]}) }}
{% endmaterialization %}

{% macro column_list(relation) %}
  {%- set names = [] -%}
  {%- for column in adapter.get_columns_in_relation(relation) -%}
    {%- do names.append(mlbridge.quoted(column.name)) -%}
  {%- endfor -%}
  {{ return(names | join(', ')) }}
{% endmacro %}
