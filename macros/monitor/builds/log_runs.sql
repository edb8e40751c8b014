{% macro log_runs(results) %}
  {#-
    At the end of each dbt command: says what is wrong with the package's tables, and writes one row in `ml_runs` for every node of
    the lineage that the command ran. In a table that an earlier mlbridge made, only the columns that it has are written.
  -#}
  {%- if execute -%}{%- do mlbridge.log_problems(results) -%}{%- endif -%}
  {%- set table = mlbridge.own_relation('ml_runs') if mlbridge.is_running() else none -%}
  {%- if table is not none and table.is_table -%}
    {%- set lineage, tests = mlbridge.lineage(), mlbridge.tests_by_node(results) -%}
    {%- set columns = mlbridge.names_in(table) | map('lower') | list -%}
    {%- set rows, ours = [], results | selectattr('node.unique_id', 'in', lineage) | list -%}
    {%- set counted = mlbridge.rows_by_node(ours) -%}
    {%- for result in ours -%}
      {%- set id = result.node.unique_id -%}
      {%- do rows.append(mlbridge.run_row(result, lineage[id], tests.get(id, {}), counted.get(id), columns)) -%}
    {%- endfor -%}
    {%- if rows -%}
      {%- do mlbridge.end_transaction() -%}
      insert into {{ table }} (
        {%- for name in rows[0] %}{{ mlbridge.named(name) }}{{ ', ' if not loop.last }}{% endfor -%}
      )
      values
      {%- for row in rows %}
      ({{ row.values() | join(', ') }}){{ ',' if not loop.last }}
      {%- endfor -%}
    {%- endif -%}
  {%- endif -%}
{% endmacro %}

{% macro log_problems(results) %}
  {#- The sentences of tests `valid_rows` that failed; dbt itself only says how many there are, and the tests of `dbt test` are in no `ml_runs`. -#}
  {#- Tests that pass may be thousands, and dbt takes longer to call a macro than to look at their status here. -#}
  {%- for result in results if result.status | string not in ['success', 'pass'] -%}
    {%- for problem in mlbridge.problems(result) -%}{%- do log(result.node.name ~ ': ' ~ problem, info=true) -%}{%- endfor -%}
  {%- endfor -%}
{% endmacro %}

{% macro forget_runs() %}
  {#-
    At the end of each dbt command, after `log_runs`: deletes from `ml_runs` the rows of commands that ended longer ago than the var
    `mlbridge_keep_runs` says, in days (365 by default; `forever` keeps all). The rows of a command are kept or deleted together.
  -#}
  {%- set table = mlbridge.own_relation('ml_runs') if mlbridge.is_running() else none -%}
  {%- set days = var('mlbridge_keep_runs', 365) -%}
  {%- if days != 'forever' and (days is not integer or not 1 <= days <= 36500) -%}
    {{ mlbridge.refuse_var('mlbridge_keep_runs', "a number of days from 1 to 36500, or 'forever'", days) }}
  {%- endif -%}
  {%- if table is not none and table.is_table and days != 'forever' -%}
    {%- set first = (run_started_at - modules.datetime.timedelta(days=days)).strftime('%Y-%m-%d %H:%M:%S') -%}
    {%- do mlbridge.end_transaction() -%}
    {%- set ended = 'select invocation_id from ' ~ table ~ " group by invocation_id having max(started_at) < cast('" ~ first ~ "' as timestamp)" %}
    {{ mlbridge.deletion(table, 'invocation_id in (' ~ ended ~ ')') or '' }}
  {%- endif -%}
{% endmacro %}
