{# What a dbt command did to a node, as a row of `ml_runs`. #}

{% macro tests_by_node(results) %}
  {#-
    How many tests passed, warned and failed in a command, and what the failed ones said, by the id of the node that they
    test: of a test written in SQL, the first that it reads. One that could not be run has failed.
  -#}
  {%- set words = {'pass': 'passed', 'warn': 'warned', 'fail': 'failed', 'error': 'failed'} -%}
  {%- set counts = {} -%}
  {%- for result in results if result.node.resource_type in ['test', 'unit_test'] and result.status | string in words -%}
    {%- set node, word = result.node, words[result.status | string] -%}
    {%- set tested = node.attached_node or node.tested_node_unique_id or (node.depends_on.nodes + [none])[0] -%}
    {%- set of_node = counts.setdefault(tested, {}) -%}
    {%- do of_node.update({word: of_node.get(word, 0) + 1}) -%}
    {%- if word == 'failed' -%}
      {%- do of_node.setdefault('said', []).append(node.name ~ ': ' ~ (result.message or result.status)) -%}
    {%- endif -%}
  {%- endfor -%}
  {{ return(counts) }}
{% endmacro %}

{% macro run_row(result, place, tests, there) %}
  {#- A row as SQL, by column; `place` is the node's place in the lineage, `tests` counts its tests, `there` names the columns. -#}
  {%- set node = result.node -%}
  {%- set done = result.status | string == 'success' -%}
  {%- set rows = (result.adapter_response or {}).get('rows_affected') if done else none -%}
  {%- if done and rows is none and node.config.materialized == 'table' -%}
    {%- set built = adapter.get_relation(node.database, node.schema, node.alias) -%}
    {%- set rows = run_query('select count(*) from ' ~ built).columns[0].values()[0] | int -%}
  {%- endif -%}
  {%- set started = (result.timing | selectattr('name', 'equalto', 'execute') | map(attribute='started_at') | list + [none])[0] -%}
  {%- set seconds = result.execution_time -%}
  {%- set row = {
    'invocation_id': mlbridge.text(invocation_id),
    'node': mlbridge.text(place.name),
    'model': mlbridge.text(place.model),
    'stage': mlbridge.text(place.stage),
    'status': mlbridge.text(result.status),
    'started_at': 'null' if started is none else "cast('" ~ started.strftime('%Y-%m-%d %H:%M:%S.%f') ~ "' as timestamp)",
    'seconds': seconds,
    'rows': 'null' if rows is none else rows,
    'rows_per_second': 'null' if rows is none or not seconds else rows / seconds,
    'as_of': "cast('" ~ mlbridge.as_of() ~ "' as timestamp)",
    'message': mlbridge.text(result.message if not done else tests['said'] | join('\n') if 'said' in tests else none),
    'tests_passed': tests.get('passed', 0),
    'tests_warned': tests.get('warned', 0),
    'tests_failed': tests.get('failed', 0),
  } -%}
  {{ return(dict(row.items() | selectattr(0, 'in', there))) }}
{% endmacro %}
