{# A node's result in a dbt command, as a row of `ml_runs`. #}

{% macro tests_by_node(results) %}
  {#-
    By the unique id of the tested node: how many tests passed, warned and failed in the command, and the messages of
    those that failed. A test that could not be run has failed. A singular test belongs to the first node that it reads.
  -#}
  {%- set outcomes = {'pass': 'passed', 'warn': 'warned', 'fail': 'failed', 'error': 'failed'} -%}
  {%- set counts = {} -%}
  {%- for result in results if result.node.resource_type in ['test', 'unit_test'] and result.status | string in outcomes -%}
    {%- set node, outcome = result.node, outcomes[result.status | string] -%}
    {%- set tested = node.attached_node or node.tested_node_unique_id or (node.depends_on.nodes + [none])[0] -%}
    {%- set of_node = counts.setdefault(tested, {}) -%}
    {%- do of_node.update({outcome: of_node.get(outcome, 0) + 1}) -%}
    {%- if outcome == 'failed' -%}
      {%- do of_node.setdefault('messages', []).append(node.name ~ ': ' ~ (mlbridge.problems(result) | join('; ') or result.message or result.status)) -%}
    {%- endif -%}
  {%- endfor -%}
  {{ return(counts) }}
{% endmacro %}

{% macro problems(result) %}
  {#- The sentences of a test `valid_rows` that failed; none of another one. -#}
  {%- set node = result.node -%}
  {%- if result.status | string in ['fail', 'warn'] and node.test_metadata and node.test_metadata.name == 'valid_rows' -%}
    {{ return(run_query(node.compiled_code).columns[0].values()) }}
  {%- endif -%}
  {{ return([]) }}
{% endmacro %}

{% macro rows_by_node(results) %}
  {#-
    By unique id: the rows that the nodes of a command wrote, as their adapter says; where it does not say so of a table, those that the
    table has, of up to 100 tables by one query. What failed, and what is no table, has no entry.
  -#}
  {%- set counts, rows = [], {} -%}
  {%- for result in results if result.status | string == 'success' -%}
    {%- set node, affected = result.node, (result.adapter_response or {}).get('rows_affected') -%}
    {#- Of tables and views dbt 2 says 0. -#}
    {%- if affected or affected == 0 and node.config.materialized not in ['table', 'view'] -%}
      {%- do rows.update({node.unique_id: affected}) -%}
    {%- elif node.config.materialized == 'table' -%}
      {%- set built = adapter.get_relation(node.database, node.schema, node.alias) -%}
      {%- do counts.append('select ' ~ mlbridge.text(node.unique_id) ~ ' as node, count(*) as rows_built from ' ~ built) -%}
    {%- endif -%}
  {%- endfor -%}
  {%- for some in counts | batch(100) -%}
    {%- for row in run_query(some | join(' union all ')).rows -%}{%- do rows.update({row[0]: row[1] | int}) -%}{%- endfor -%}
  {%- endfor -%}
  {{ return(rows) }}
{% endmacro %}

{% macro run_row(result, entry, tests, rows, columns) %}
  {#-
    The values by column, as SQL. `entry` is the node's entry in the lineage, `tests` its entry in `tests_by_node`, `rows` its number in
    `rows_by_node` or none, `columns` the names of the columns that the table has.
  -#}
  {%- set done = result.status | string == 'success' -%}
  {%- set started = (result.timing | selectattr('name', 'equalto', 'execute') | map(attribute='started_at') | list + [none])[0] -%}
  {#- dbt 2 gives a text in the format of ISO 8601. -#}
  {%- set started = none if started is none else started | string | replace('T', ' ') -%}
  {%- set seconds = result.execution_time -%}
  {%- set message = result.message if not done else tests['messages'] | join('\n') if 'messages' in tests else none -%}
  {%- set texts = mlbridge.texts([invocation_id, entry.name, entry.model, entry.stage, result.status, message]) -%}
  {%- set row = {
    'invocation_id': texts[0],
    'node': texts[1],
    'model': texts[2],
    'stage': texts[3],
    'status': texts[4],
    'started_at': 'null' if started is none else "cast('" ~ started[:26] ~ "' as timestamp)",
    'seconds': seconds,
    'rows': 'null' if rows is none else rows,
    'rows_per_second': 'null' if rows is none or not seconds else rows / seconds,
    'as_of': "cast('" ~ mlbridge.as_of() ~ "' as timestamp)",
    'message': texts[5],
    'tests_passed': tests.get('passed', 0),
    'tests_warned': tests.get('warned', 0),
    'tests_failed': tests.get('failed', 0),
  } -%}
  {{ return(dict(row.items() | selectattr(0, 'in', columns))) }}
{% endmacro %}
