{# Spark, with tables in Parquet files: without transactions, locks, and the deletion of single rows. #}

{% macro spark__json_item(array, index) %}{{ return('get_json_object(' ~ array ~ ", '$[" ~ index ~ "]')") }}{% endmacro %}

{% macro spark__joined(text, order) %}
  {#- dbt's listagg has no order on Spark; sorting by the text itself at least gives the same order each time. -#}
  {{ return('array_join(sort_array(collect_list(' ~ text ~ ")), ', ')") }}
{% endmacro %}

{% macro spark__whole_number(hash) %}{{ return('cast(conv(substring(' ~ hash ~ ', 1, 7), 16, 10) as bigint)') }}{% endmacro %}

{% macro spark__epoch(value) %}{{ return('unix_micros(cast(' ~ value ~ ' as timestamp)) / 1e6') }}{% endmacro %}

{% macro spark__in_zone(moment, zone) %}{{ return('from_utc_timestamp(' ~ moment ~ ', ' ~ mlbridge.text(zone) ~ ')') }}{% endmacro %}

{% macro spark__unfold(relation, document, keys, fields, condition) %}
  {%- set shape = [] -%}
  {%- for name, type in fields.items() -%}
    {%- do shape.append(mlbridge.quoted(name) ~ ': ' ~ {'text': 'string', 'number': 'double', 'count': 'bigint'}[type]) -%}
  {%- endfor -%}
  {{ return(mlbridge.unfolded(relation, keys, fields, condition,
    'explode(from_json(' ~ document ~ ", 'array<struct<" ~ shape | join(', ') ~ ">>'))")) }}
{% endmacro %}

{% macro spark__can_unfold(text) %}{{ return('get_json_object(' ~ text ~ ", '$') is not null") }}{% endmacro %}

{% macro spark__json_array(texts) %}{{ return('to_json(array(' ~ texts | join(', ') ~ '))') }}{% endmacro %}

{% macro spark__lookup(index, values) %}{{ return('get(array(' ~ values | join(', ') ~ '), ' ~ index ~ ')') }}{% endmacro %}

{% macro spark__type_double() %}{{ return('double') }}{% endmacro %}

{% macro spark__texts(values) %}
  {#- What stands in `${}` would be replaced before the query is read; literals beside each other are one text. -#}
  {%- set found = [] -%}
  {%- for literal in mlbridge.bigquery__texts(values) -%}{%- do found.append(literal | replace('${', "$' '{")) -%}{%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{% macro spark__session_problem() %}
  {%- set zone = run_query('select current_timezone()').rows[0][0] -%}
  {%- if zone not in ['UTC', 'Etc/UTC', 'GMT', 'Z'] -%}
    {{ return("the session's time zone is " ~ zone ~ ', and moments are in UTC here. Write `spark.sql.session.timeZone: UTC` below '
      ~ '`server_side_parameters` in profiles.yml.') }}
  {%- endif -%}
  {{ return(none) }}
{% endmacro %}

{% macro spark__step_materialization() %}
  {#- Not ephemeral: a step would be planned anew for each one that reads it, until the driver is out of memory. -#}
  {{ return('table') }}
{% endmacro %}

{% macro spark__replacing(unique_key) %}
  {#- A key is a folder of its own, which a build writes anew. -#}
  {{ return({'incremental_strategy': 'insert_overwrite', 'partition_by': unique_key}) }}
{% endmacro %}

{% macro spark__words() %}
  {{ return(['ELEMENT_AT', 'INTERVAL', 'SECOND', 'STRING', 'TIMESTAMP_NTZ', 'UNIX_MICROS']) }}
{% endmacro %}

{% macro spark__substitution() %}{{ return('${') }}{% endmacro %}

{% macro spark__refreshing(table) %}{{ return('refresh table ' ~ table) }}{% endmacro %}

{% macro spark__deletion(table, condition) %}{{ return(none) }}{% endmacro %}

{% macro spark__emptying(table) %}{{ return('truncate table ' ~ table) }}{% endmacro %}

{% macro spark__all_at_once() %}
  {#- One file, which is renamed into the folder of the table once it is written. -#}
  {{ return('/*+ coalesce(1) */') }}
{% endmacro %}
