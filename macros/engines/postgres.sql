{# PostgreSQL, where it differs from the standard. #}

{% macro postgres__published_schema(schema) %}{{ return(schema ~ '_published') }}{% endmacro %}

{% macro postgres__publication(tables, branches, online, facts) %}
  {#-
    Copies of the tables in the schema `<schema of ml_runs>_published`, filled anew in one transaction: a dashboard reads the newest whole
    build, and a build drops none of what it reads. Views would not do: dbt drops a view, with all that depends on it, for each new one.
  -#}
  {%- set place = tables['ml_runs'] -%}
  {%- set published = api.Relation.create(place[0], mlbridge.published_schema(place[1])) -%}
  {%- set schema = mlbridge.quoted(published.schema) -%}
  {%- set exists, may_create = run_query(
    'select exists (select 1 from pg_namespace where nspname = ' ~ mlbridge.text(published.schema) ~ "), "
    ~ "has_database_privilege(current_database(), 'create')"
  ).rows[0] -%}
  {%- if not exists and not may_create -%}
    {%- do exceptions.warn('mlbridge: nothing is published for dashboards, because this user may not make the schema '
      ~ published.schema ~ '. Make it, and give it to this user.') -%}
    {{ return({}) }}
  {%- endif -%}
  {%- set statements = [] if exists else ['create schema ' ~ schema] -%}
  {%- set roles = mlbridge.granted_roles() -%}
  {%- for role in roles -%}
    {%- do statements.append('grant usage on schema ' ~ schema ~ ' to ' ~ role) -%}
  {%- endfor -%}
  {%- for name, table in tables.items() -%}
    {%- set source = adapter.get_relation(table[0], table[1], table[2]) -%}
    {%- if source is not none -%}
      {%- set copy = published.incorporate(path={'identifier': name}) -%}
      {%- if mlbridge.shape_of(copy) != mlbridge.shape_of(source) -%}
        {%- do statements.append('drop table if exists ' ~ copy) -%}
        {%- do statements.append('create table ' ~ copy ~ ' as select * from ' ~ source) -%}
      {%- else -%}
        {%- do statements.append('delete from ' ~ copy) -%}
        {%- do statements.append('insert into ' ~ copy ~ ' select * from ' ~ source) -%}
      {%- endif -%}
      {%- for role in roles -%}{%- do statements.append('grant select on ' ~ copy ~ ' to ' ~ role) -%}{%- endfor -%}
    {%- endif -%}
  {%- endfor -%}
  {{ return({'sql': statements | join(';\n') ~ ';\ncommit'}) }}
{% endmacro %}

{% macro shape_of(relation) %}
  {#- Names and types of the columns of a relation in their order; empty where there is none. -#}
  {%- set shape = [] -%}
  {%- for column in adapter.get_columns_in_relation(relation) -%}{%- do shape.append([column.name, column.data_type]) -%}{%- endfor -%}
  {{ return(shape) }}
{% endmacro %}

{% macro postgres__column_names(relations) %}
  {#- By the names as they are, which the catalog's index finds. -#}
  {{ return(mlbridge.columns_in_catalog(relations | map(attribute='identifier'), 'table_name', relations)) }}
{% endmacro %}

{% macro postgres__observed_grants() %}
  {#-
    Not information_schema.role_table_grants, which hides what is granted to PUBLIC and what this user has no part in. The owner, who may do
    everything, is named for `select` only.
  -#}
  select
    spaces.nspname as schema_name,
    relations.relname as relation_name,
    case when items.grantee = 0 then 'public' else roles.rolname end as grantee,
    lower(items.privilege_type) as privilege
  from pg_catalog.pg_class as relations
  inner join pg_catalog.pg_namespace as spaces
    on relations.relnamespace = spaces.oid
  cross join lateral aclexplode(coalesce(relations.relacl, acldefault('r', relations.relowner))) as items
  left join pg_catalog.pg_roles as roles
    on items.grantee = roles.oid
  where
    relations.relkind in ('r', 'p', 'v', 'm', 'f')
    and (items.grantee = 0 or roles.oid is not null)
    and (items.privilege_type = 'SELECT' or items.grantee <> relations.relowner)
{% endmacro %}

{% macro postgres__can_read(role, schema, relation) %}
  {#- With what is granted to PUBLIC and to the roles that it is a member of, and only where it may use the schema. -#}
  coalesce((
    select
      case
        when {{ role }} = 'public'
          then has_schema_privilege('public', spaces.oid, 'usage') and has_table_privilege('public', relations.oid, 'select')
        when roles.oid is not null
          then has_schema_privilege(roles.oid, spaces.oid, 'usage') and has_table_privilege(roles.oid, relations.oid, 'select')
      end
    from pg_catalog.pg_class as relations
    inner join pg_catalog.pg_namespace as spaces
      on relations.relnamespace = spaces.oid
    left join pg_catalog.pg_roles as roles
      on roles.rolname = {{ role }}
    where spaces.nspname = {{ schema }} and relations.relname = {{ relation }}
  ), false)
{% endmacro %}

{% macro postgres__begin_transaction(written) %}
  {#-
    dbt leaves this to the driver, which does so before the first statement of a connection, and not after a commit of dbt's: from then on
    each statement would be a transaction of its own.
  -#}
  {%- call statement('begin') -%} begin {%- endcall -%}
  {%- if written is not none -%}
    {%- call statement('lock') -%} lock table {{ written }} in share row exclusive mode {%- endcall -%}
  {%- endif -%}
{% endmacro %}

{% macro postgres__commit_transaction() %}
  {#- With `autocommit` in the profile, dbt-postgres 1.11 sends neither its own `begin` nor its `commit`. -#}
  {%- if target.autocommit -%}
    {%- call statement('commit') -%} commit {%- endcall -%}
  {%- endif -%}
{% endmacro %}

{% macro postgres__session_settings() %}
  {#-
    Compiling the expressions of `ml_distributions` takes the server minutes, and running them seconds; of a version's SELECT, it takes as long
    for no row as for many. It expects few rows where a document is unfolded, and so would join another table to them in nested loops.
  -#}
  {{ return(['set jit = off', 'set enable_nestloop = off']) }}
{% endmacro %}

{% macro postgres__by_item(relation, kept, columns, count) %}
  {#-
    Arrays that are unfolded side by side: each expression is computed once for a row, where a CASE by the number of the item would
    be entered for each item, and VALUES prepared anew for each row. Without `offset 0` the server would put what the relation
    computes into the place of its names, again for each of them.
  -#}
  {%- set unfolded = ['unnest(cast(array[' ~ range(count) | join(', ') ~ '] as ' ~ dbt.type_int() ~ '[])) as item_no'] -%}
  {%- for name, column in columns.items() -%}
    {%- set items = [] -%}
    {%- for item_no in range(count) -%}{%- do items.append(column.cases.get(item_no, 'null')) -%}{%- endfor -%}
    {%- do unfolded.append('unnest(cast(array[' ~ items | join(', ') ~ '] as ' ~ column.type ~ '[])) as ' ~ name) -%}
  {%- endfor -%}
  select {{ (mlbridge.columns_of('item_source', kept) + unfolded) | join(',\n    ') }}
  from (select * from {{ relation }} offset 0) as item_source
{%- endmacro %}

{% macro postgres__lookup(index, values) %}
  {{ return('(cast(array[' ~ values | join(', ') ~ '] as ' ~ mlbridge.type_double() ~ '[]))[' ~ index ~ ' + 1]') }}
{% endmacro %}

{% macro postgres__types_without_order() %}{{ return(['json', 'xml', 'point', 'line', 'lseg', 'box', 'path', 'polygon', 'circle']) }}{% endmacro %}

{% macro postgres__type_bytes() %}{{ return('bytea') }}{% endmacro %}

{% macro postgres__unquoted_role(written) %}{{ return(written | lower) }}{% endmacro %}

{% macro postgres__online_materialization(hook) %}
  {{ return({'materialized': 'incremental', 'incremental_strategy': 'append', 'on_schema_change': 'sync_all_columns', 'pre_hook': hook}) }}
{% endmacro %}

{% macro postgres__recorded_requests(folder) %}
  {#- The table beside the model that `mlbridge/serving/recorded.py` fills from the files of the folder. -#}
  {%- set name = this.identifier ~ '_recorded' -%}
  {%- if name | length > 63 -%}
    {{ mlbridge.refuse(model.name, "its rows are loaded into a table '" ~ name ~ "', and names here have 63 characters at most. Give the model a "
      ~ 'shorter name or alias.') }}
  {%- endif -%}
  {{ return(adapter.get_relation(this.database, this.schema, name) if execute else none) }}
{% endmacro %}

{% macro postgres__parsed(document, names) %}{{ return('cast(' ~ document ~ ' as jsonb)') }}{% endmacro %}

{% macro postgres__parsed_text(parsed, name) %}{{ return('(' ~ parsed ~ ' ->> ' ~ mlbridge.text(name) ~ ')') }}{% endmacro %}

{% macro postgres__has_fields(document, names) %}
  {{ return('cast(' ~ document ~ ' as jsonb) ?& cast(array[' ~ mlbridge.texts(names) | join(', ') ~ '] as text[])') }}
{% endmacro %}

{% macro postgres__typed(text, type) %}
  {#- A cast that fails ends the statement, so each is behind a CASE that lets no other text reach it. -#}
  {%- set family, number = mlbridge.family(type), 'cast(' ~ text ~ ' as numeric)' -%}
  {%- set cast, absolute = 'cast(' ~ text ~ ' as ' ~ type ~ ')', 'abs(' ~ number ~ ')' -%}
  {%- set is_number = text ~ " ~ '^-?[0-9]+([.][0-9]*)?([eE][-+]?[0-9]{1,3})?$'" -%}
  {%- if family == 'text' -%}
    {{ return(text) }}
  {%- elif family == 'integer' -%}
    {%- set most = {'smallint': 32767, 'integer': 2147483647}.get(type, 9223372036854775807) -%}
    {{ return('(case when ' ~ is_number ~ ' then case when ' ~ absolute ~ ' <= ' ~ most ~ ' and ' ~ number ~ ' = trunc(' ~ number ~ ') then cast('
      ~ number ~ ' as ' ~ type ~ ') end end)') }}
  {%- elif family == 'float' -%}
    {%- set least, most = ('1.5e-45', '3.4028234e38') if type == 'real' else ('5e-324', '1.7976931348623157e308') -%}
    {{ return('(case when ' ~ is_number ~ ' then case when ' ~ absolute ~ ' < ' ~ least ~ ' then cast(0 as ' ~ type ~ ') when ' ~ absolute ~ ' <= '
      ~ most ~ ' then ' ~ cast ~ ' end end)') }}
  {%- elif family == 'decimal' -%}
    {%- set sizes = modules.re.findall('[0-9]+', type) -%}
    {%- set holds = 'round(' ~ absolute ~ ', ' ~ sizes[1] ~ ') < 1e' ~ (sizes[0] | int - sizes[1] | int) if sizes else 'true' -%}
    {{ return('(case when ' ~ is_number ~ ' then case when ' ~ holds ~ ' then ' ~ cast ~ ' end end)') }}
  {%- elif family == 'boolean' -%}
    {{ return("(case lower(" ~ text ~ ") when 'true' then true when 'false' then false when '1' then true when '0' then false end)") }}
  {%- elif family == 'date' -%}
    {{ return('(case when ' ~ mlbridge.is_day(text) ~ ' and length(' ~ text ~ ') = 10 then ' ~ cast ~ ' end)') }}
  {%- elif family in ['timestamp', 'timestamp with time zone'] -%}
    {%- set time = '[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?' -%}
    {%- set zoned = 'substring(' ~ text ~ " from 11) ~ '^" ~ time ~ "(Z|[-+](0[0-9]|1[0-5]):?[0-5][0-9])$'" -%}
    {%- set plain = 'substring(' ~ text ~ " from 11) ~ '^(" ~ time ~ ")?$'" -%}
    {%- set moment = 'case when ' ~ mlbridge.is_day(text) ~ ' then case when ' ~ zoned ~ ' then cast(' ~ text
      ~ " as timestamp with time zone) at time zone 'UTC' when " ~ plain ~ ' then cast(' ~ text ~ ' as timestamp) end end' -%}
    {{ return('(' ~ moment ~ ')' if family == 'timestamp' else '((' ~ moment ~ ") at time zone 'UTC')") }}
  {%- elif family == 'uuid' -%}
    {{ return('(case when ' ~ text ~ " ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then " ~ cast ~ ' end)') }}
  {%- endif -%}
  {{ return('cast(null as ' ~ type ~ ')') }}
{% endmacro %}

{% macro is_day(text) %}
  {#- Whether a text begins with a day of the calendar. -#}
  {%- set part = "cast(substring(" ~ text ~ " from {} for {}) as int)" -%}
  {{ return('(case when ' ~ text ~ " ~ '^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-[0-9]{2}' then " ~ part.format(9, 2) ~ ' between 1 and extract(day from make_date('
    ~ part.format(1, 4) ~ ', ' ~ part.format(6, 2) ~ ", 1) + interval '1 month - 1 day') else false end)") }}
{% endmacro %}
