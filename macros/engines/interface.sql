{# The interface of an engine: every expression that differs between engines, by one macro each. No other file calls `adapter.dispatch`.
  `default.sql` has them in standard SQL as PostgreSQL accepts it; an engine that differs has a file of its own name. #}

{% macro item_number(array, index) %}
  {#- The item at an index (from 0) of a JSON array of numbers. -#}
  {{ return('cast(' ~ adapter.dispatch('json_item', 'mlbridge')(array, index) ~ ' as ' ~ mlbridge.type_double() ~ ')') }}
{% endmacro %}

{% macro joined(text, order) %}
  {#- The texts of a group with commas between them; NULLs are left out. -#}
  {{ return(adapter.dispatch('joined', 'mlbridge')(text, order)) }}
{% endmacro %}

{% macro unfold(relation, document, keys, fields, condition='1 = 1') %}
  {#-
    A relation with a row per object in the column `document`, of the rows of `relation` that meet `condition` (about `source`):
    the columns `keys` of that row, and the object's `fields`, which maps a name to text, number or count. A document that
    is NULL, or damaged, has no rows; `ml_versions` names the damaged ones.
  -#}
  {%- set readable = '(case when ' ~ mlbridge.can_unfold('source.' ~ document) ~ ' then source.' ~ document ~ ' end)' -%}
  {{ return(adapter.dispatch('unfold', 'mlbridge')(relation, readable, keys, fields, condition)) }}
{% endmacro %}

{% macro can_unfold(text) %}
  {#- Whether a text that is not NULL is JSON that `unfold` takes. -#}
  {{ return(adapter.dispatch('can_unfold', 'mlbridge')(text)) }}
{% endmacro %}

{% macro type_of(type) %}
  {{ return({'text': dbt.type_string(), 'number': mlbridge.type_double(), 'count': dbt.type_bigint()}[type]) }}
{% endmacro %}

{% macro contract_types() %}
  {#- The types of the package's contracts that not every engine has under these names. -#}
  {{ return({'text': dbt.type_string(), 'float8': mlbridge.type_double()}) }}
{% endmacro %}

{% macro get_empty_schema_sql(columns) %}
  {#- In the place of dbt's own macro for the nodes of this package: what dbt compares with their contracts, in the types of the engine. -#}
  {%- set types, found = mlbridge.contract_types(), {} -%}
  {%- for name, column in columns.items() -%}
    {%- do found.update({name: dict(column, data_type=types.get(column['data_type'], column['data_type']))}) -%}
  {%- endfor -%}
  {{ return(dbt.get_empty_schema_sql(found)) }}
{% endmacro %}

{% macro get_assert_columns_equivalent(sql) %}
  {#-
    In the place of dbt's own macro for the nodes of this package: compares a SELECT with the contract, which plans it once more, except
    where the engine makes a table or a view of the contract's columns, or has a table from before, and takes these by name.
  -#}
  {%- if not adapter.dispatch('made_by_contract', 'mlbridge')() -%}{{ return(dbt.get_assert_columns_equivalent(sql)) }}{%- endif -%}
{% endmacro %}

{% macro create_view_as(relation, sql) %}
  {#-
    In the place of dbt's own macro for the nodes of this package: a view made by its contract has these columns in their types. The steps
    of the monitor, which `mlbridge_keep_steps` keeps as views, have no contract.
  -#}
  {%- set has_contract = config.get('contract').enforced and adapter.dispatch('made_by_contract', 'mlbridge')() -%}
  {{ return(dbt.create_view_as(relation, mlbridge.by_contract(sql) if has_contract else sql)) }}
{% endmacro %}

{% macro by_contract(sql) %}
  {#- A select of the columns of the calling model's contract, in their types, from a select that has them. -#}
  {%- set types, chosen = mlbridge.contract_types(), [] -%}
  {%- for name, column in model.columns.items() -%}
    {%- set quoted = adapter.quote(name) -%}
    {%- do chosen.append('cast(' ~ quoted ~ ' as ' ~ types.get(column.data_type, column.data_type) ~ ') as ' ~ quoted) -%}
  {%- endfor -%}
  {{ return('select ' ~ chosen | join(', ') ~ ' from (' ~ sql ~ '\n) as selected') }}
{% endmacro %}

{% macro get_column_names() %}
  {#- In the place of dbt's own macro for the nodes of this package on DuckDB: that of dbt 2 leaves out the quotes. -#}
  {%- set names = [] -%}
  {%- for name in model.columns -%}{%- do names.append(mlbridge.quoted(name)) -%}{%- endfor -%}
  {{ return('(' ~ names | join(', ') ~ ')') }}
{% endmacro %}

{% macro load_csv_rows(model, agate_table) %}
  {#- In the place of dbt's own macro for the seed of this package. -#}
  {{ return(adapter.dispatch('rows_of_seed', 'mlbridge')(model, agate_table)) }}
{% endmacro %}

{% macro type_double() %}
  {#- A 64-bit float, which `dbt.type_float` is not everywhere. -#}
  {{ return(adapter.dispatch('type_double', 'mlbridge')()) }}
{% endmacro %}

{% macro type_bytes() %}
  {#- A text of bytes, such as an artifact. -#}
  {{ return(adapter.dispatch('type_bytes', 'mlbridge')()) }}
{% endmacro %}

{% macro later(unit, count, moment) %}{{ return(adapter.dispatch('later', 'mlbridge')(unit, count, moment)) }}{% endmacro %}

{% macro text(value) %}
  {#- A value as the literal of a text; a None is NULL. -#}
  {{ return(mlbridge.texts([value])[0]) }}
{% endmacro %}

{% macro texts(values) %}
  {#- The same of many, in one call: to find the engine's own macro takes dbt longer than to run it. -#}
  {{ return(adapter.dispatch('texts', 'mlbridge')(values)) }}
{% endmacro %}

{% macro four_decimals(value) %}
  {#- A number as text with four decimals. -#}
  {{ return(adapter.dispatch('four_decimals', 'mlbridge')(value)) }}
{% endmacro %}

{% macro json_item(array, index) %}
  {#- The item at an index (from 0) of a JSON array, as text. -#}
  {{ return(adapter.dispatch('json_item', 'mlbridge')(array, index)) }}
{% endmacro %}

{% macro truncated(size, moment) %}
  {#- The moment at which the day, the week from Monday on, or the month begins. -#}
  {{ return(adapter.dispatch('truncated', 'mlbridge')(size, moment)) }}
{% endmacro %}

{% macro whole_number(hash) %}
  {#- The first 28 bits of an MD5 in hexadecimal digits, as a whole number. -#}
  {{ return(adapter.dispatch('whole_number', 'mlbridge')(hash)) }}
{% endmacro %}

{% macro epoch(value) %}
  {#- A date or a moment as seconds since 1970 (UTC). -#}
  {{ return(adapter.dispatch('epoch', 'mlbridge')(value)) }}
{% endmacro %}

{% macro in_zone(moment, zone) %}
  {#- A moment (UTC) on the clock of a time zone, a name of the tz database. -#}
  {{ return(adapter.dispatch('in_zone', 'mlbridge')(moment, zone)) }}
{% endmacro %}

{% macro not_nan(number) %}
  {#- A double whose NaN is NULL. -#}
  {{ return(adapter.dispatch('not_nan', 'mlbridge')(number)) }}
{% endmacro %}

{% macro json_array(texts) %}
  {#- Texts as a JSON array, without spaces. -#}
  {{ return(adapter.dispatch('json_array', 'mlbridge')(texts)) }}
{% endmacro %}

{% macro raised(message) %}
  {#- An expression of type text that fails the query with a message when it is evaluated. -#}
  {{ return(adapter.dispatch('raised', 'mlbridge')(message)) }}
{% endmacro %}

{% macro observed_grants() %}
  {#-
    A select of who has which privilege on which table or view of the target's database, as the warehouse's catalog says it:
    `schema_name`, `relation_name`, `grantee` (`public` for everybody), `privilege` in lower case; none where no catalog is read.
  -#}
  {{ return(adapter.dispatch('observed_grants', 'mlbridge')()) }}
{% endmacro %}

{% macro can_read(role, schema, relation) %}
  {#- Whether a role can read a table or view of the target's database, all three named by columns; NULL where no catalog is read. -#}
  {{ return(adapter.dispatch('can_read', 'mlbridge')(role, schema, relation)) }}
{% endmacro %}

{% macro role_name(written) %}
  {#- The name of the role that dbt's `grants` name: they hold it as SQL, with quotes where it needs them. -#}
  {%- set is_quoted = written[:1] in ['"', '`'] and written[-1:] == written[:1] and written | length > 1 -%}
  {%- if is_quoted -%}{{ return(written[1:-1] | replace(written[0] * 2, written[0])) }}{%- endif -%}
  {{ return(adapter.dispatch('unquoted_role', 'mlbridge')(written)) }}
{% endmacro %}

{% macro column_names(relations) %}
  {#-
    The columns of tables and views that are there, also of a view that cannot be read any more because what it reads has changed: for
    each of `relations` a list of names.
  -#}
  {{ return(adapter.dispatch('column_names', 'mlbridge')(relations)) }}
{% endmacro %}

{% macro settle_session() %}
  {#- Settings under which the engine plans the long queries of scoring and monitoring fast, for the connection of the calling node. -#}
  {%- if execute -%}
    {%- for setting in adapter.dispatch('session_settings', 'mlbridge')() -%}
      {%- call statement('setting') -%}{{ setting }}{%- endcall -%}
    {%- endfor -%}
  {%- endif -%}
{% endmacro %}

{% macro begin_transaction(written=none) %}
  {#-
    Begins a transaction where dbt's own, which begins with the next statement, would be none. There, who else begins one with the table
    `written` waits for its end, while others read on.
  -#}
  {%- do adapter.dispatch('begin_transaction', 'mlbridge')(written) -%}
{% endmacro %}

{% macro commit_transaction() %}
  {#- Commits it, also where dbt's own commit would not. -#}
  {%- do adapter.dispatch('commit_transaction', 'mlbridge')() -%}
  {%- do adapter.commit() -%}
{% endmacro %}

{% macro check_session() %}
  {#- At the start of each dbt command: refuses to run SQL of the package in a session in which it would mean something else. -#}
  {%- set problem = adapter.dispatch('session_problem', 'mlbridge')() if mlbridge.is_running() else none -%}
  {%- if problem -%}
    {%- for node in graph.nodes.values() if node.unique_id in selected_resources -%}
      {%- if node.package_name == 'mlbridge' or 'macro.mlbridge.' in node.depends_on.macros | join(' ') -%}
        {{ mlbridge.refuse(node.name, problem) }}
      {%- endif -%}
    {%- endfor -%}
  {%- endif -%}
{% endmacro %}

{% macro words_of_engine() %}
  {#- The words of a compiled SELECT that only this engine's has. -#}
  {{ return(adapter.dispatch('words', 'mlbridge')()) }}
{% endmacro %}

{% macro substitution() %}
  {#- How a part begins that the engine replaces before it reads a query, also in a literal; none where it replaces nothing. -#}
  {{ return(adapter.dispatch('substitution', 'mlbridge')()) }}
{% endmacro %}

{% macro refreshing(table) %}
  {#- The statement after which the session sees what others have written to a table; none where each query does. -#}
  {{ return(adapter.dispatch('refreshing', 'mlbridge')(table)) }}
{% endmacro %}

{% macro step_materialization() %}
  {#- How a step of the monitor is materialized: `ephemeral`, or `table` where the engine would plan a step anew for each one that reads it. -#}
  {{ return(adapter.dispatch('step_materialization', 'mlbridge')()) }}
{% endmacro %}

{% macro replacing(unique_key) %}
  {#- The configuration of an incremental table in which new rows replace those of the same `unique_key`. -#}
  {{ return(adapter.dispatch('replacing', 'mlbridge')(unique_key)) }}
{% endmacro %}

{% macro deletion(table, condition) %}
  {#- The statement that deletes the rows of a table that meet a condition; none where the engine deletes no single rows. -#}
  {{ return(adapter.dispatch('deletion', 'mlbridge')(table, condition)) }}
{% endmacro %}

{% macro emptying(table) %}
  {#- The statement that deletes all rows of a table. -#}
  {{ return(adapter.dispatch('emptying', 'mlbridge')(table)) }}
{% endmacro %}

{% macro all_at_once() %}
  {#- A hint for the select of an INSERT of few rows, with which all or none of them are there, also where there are no transactions. -#}
  {{ return(adapter.dispatch('all_at_once', 'mlbridge')()) }}
{% endmacro %}

{% macro publication(tables, branches, online, facts) %}
  {#-
    What publishes the package's tables for those who read while a build runs: `python`, code to be run first, and `sql`, statements; either
    may be missing. `tables` gives database, schema and name of each, `branches` and `online` what `mlbridge serve` needs (as
    `served_branches` and `served_online`); `facts` are the target, the build, its clock, and mlbridge's version.
  -#}
  {{ return(adapter.dispatch('publication', 'mlbridge')(tables, branches, online, facts)) }}
{% endmacro %}

{% macro recorded_requests(folder) %}
  {#- What to select from for the rows of the Parquet files in a folder on this machine; none while there is no file. -#}
  {{ return(adapter.dispatch('recorded_requests', 'mlbridge')(folder)) }}
{% endmacro %}

{% macro parsed(document, names) %}
  {#- A JSON object, a text, in the form that `parsed_text` takes the fields `names` from: parsed once where it is a column. -#}
  {{ return(adapter.dispatch('parsed', 'mlbridge')(document, names)) }}
{% endmacro %}

{% macro parsed_text(parsed, name) %}
  {#- A field of such an object as text; NULL where it is missing or null. -#}
  {{ return(adapter.dispatch('parsed_text', 'mlbridge')(parsed, name)) }}
{% endmacro %}

{% macro has_fields(document, names) %}
  {#- Whether a JSON object, a text, has all fields `names`, null or not. -#}
  {{ return(adapter.dispatch('has_fields', 'mlbridge')(document, names)) }}
{% endmacro %}

{% macro typed(text, type) %}
  {#-
    A value that JSON has as text, in the type of a column; NULL where it is none of this type. A moment with an offset is converted to UTC,
    one without is in UTC.
  -#}
  {{ return(adapter.dispatch('typed', 'mlbridge')(text, type)) }}
{% endmacro %}

{% macro published_schema(schema) %}
  {#- The schema to which the tables of a schema are published; none where they are published to files, or not at all. -#}
  {{ return(adapter.dispatch('published_schema', 'mlbridge')(schema)) }}
{% endmacro %}

{% macro answering_refusals() %}
  {#- Python code after the adapter's own of a node: what mlbridge refuses is written as a table in place of the rows. -#}
  {{ return(adapter.dispatch('answering_refusals', 'mlbridge')()) }}
{% endmacro %}

{% macro lookup(index, values) %}
  {#- The one of `values`, literals of numbers, at an index from 0 on that is not negative; NULL for an index beyond them. -#}
  {{ return(adapter.dispatch('lookup', 'mlbridge')(index, values)) }}
{% endmacro %}

{% macro by_item(relation, kept, columns, count) %}
  {#-
    A SELECT with a row for each row of `relation` and item, 0 to `count` - 1: the columns `kept`, `item_no`, and `columns`, which
    maps a name to its `type` and its `cases`: SQL over the relation's columns, by the number of the item. Without one it is NULL.
  -#}
  {{ return(adapter.dispatch('by_item', 'mlbridge')(relation, kept, columns, count)) }}
{% endmacro %}

{% macro as_of_join(known, spine_keys, keys, at) %}
  {#-
    How the rows of the CTE `ml_spine` get the newest row of the CTE `known` with equal `keys` whose `ml_known_from` is not after the
    moment `at`: `steps`, CTEs before the SELECT, and `join`, which names that row `known`. NULLs find none.
    `known` has one row for each of its keys and `ml_known_from`.
  -#}
  {{ return(adapter.dispatch('as_of_join', 'mlbridge')(known, spine_keys, keys, at)) }}
{% endmacro %}

{% macro looking_back(moment, is_event, duration) %}
  {#-
    The order and the frame of a window over the rows up to this one's moment, equal ones included: those since a duration before it, or all.
    It holds for rows of which the column `is_event` is 0, while that of all others is 1.
  -#}
  {{ return(adapter.dispatch('looking_back', 'mlbridge')(moment, is_event, duration)) }}
{% endmacro %}

{% macro types_without_order() %}
  {#- The types, in lower case as the engine names them, whose values it cannot sort, so that no row of an online table could be the newest. -#}
  {{ return(adapter.dispatch('types_without_order', 'mlbridge')()) }}
{% endmacro %}

{% macro online_materialization(hook) %}
  {#-
    How an online table is materialized, as arguments of `config`. `hook`, Jinja that writes a statement, deletes in the transaction of the
    model, before it, the rows that are to go; an engine on which that has not been tried writes the whole table anew.
  -#}
  {{ return(adapter.dispatch('online_materialization', 'mlbridge')(hook)) }}
{% endmacro %}
