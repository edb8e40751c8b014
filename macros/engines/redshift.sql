{# Redshift. #}

{% macro redshift__json_item(array, index) %}{{ return('json_extract_array_element_text(' ~ array ~ ', ' ~ index ~ ')') }}{% endmacro %}

{% macro redshift__whole_number(hash) %}{{ return('strtol(substring(' ~ hash ~ ', 1, 7), 16)') }}{% endmacro %}

{% macro redshift__in_zone(moment, zone) %}{{ return("convert_timezone('UTC', " ~ mlbridge.text(zone) ~ ', ' ~ moment ~ ')') }}{% endmacro %}

{% macro redshift__unfold(relation, document, keys, fields, condition) %}
  {#- FROM can unnest a column of type SUPER, but not an expression of that type. -#}
  {%- set values = mlbridge.columns_of('parsed', keys) -%}
  {%- for name, type in fields.items() -%}
    {%- do values.append('cast(record.' ~ mlbridge.named(name) ~ ' as ' ~ mlbridge.type_of(type) ~ ') as ' ~ mlbridge.named(name)) -%}
  {%- endfor -%}
  (
    select {{ values | join(', ') }}
    from (
      select {{ (mlbridge.columns_of('source', keys) + ['json_parse(' ~ document ~ ') as records']) | join(', ') }}
      from {{ relation }} as source
      where {{ condition }}
    ) as parsed, parsed.records as record
  )
{%- endmacro %}

{% macro redshift__can_unfold(text) %}{{ return('(is_valid_json(' ~ text ~ ') or is_valid_json_array(' ~ text ~ '))') }}{% endmacro %}

{% macro redshift__json_array(texts) %}{{ return('json_serialize(array(' ~ texts | join(', ') ~ '))') }}{% endmacro %}

{% macro redshift__texts(values) %}
  {#- A backslash begins an escape. -#}
  {%- set found = [] -%}
  {%- for value in values -%}
    {%- do found.append('null' if value is none else "'" ~ dbt.escape_single_quotes(value | string | replace('\\', '\\\\')) ~ "'") -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{% macro redshift__publication(tables, branches, online, facts) %}{#- Not PostgreSQL's, which dbt would take and nobody has tried here. -#}{{ return({}) }}{% endmacro %}

{% macro redshift__observed_grants() %}{#- Nor its catalog. -#}{{ return(none) }}{% endmacro %}

{% macro redshift__can_read(role, schema, relation) %}{{ return(mlbridge.default__can_read(role, schema, relation)) }}{% endmacro %}

{% macro redshift__column_names(relations) %}{{ return(mlbridge.default__column_names(relations)) }}{% endmacro %}

{% macro redshift__begin_transaction(written) %}{% endmacro %}

{% macro redshift__commit_transaction() %}{% endmacro %}

{% macro redshift__session_settings() %}{{ return([]) }}{% endmacro %}

{% macro redshift__type_bytes() %}{{ return('varbyte') }}{% endmacro %}

{% macro redshift__by_item(relation, kept, columns, count) %}{{ return(mlbridge.default__by_item(relation, kept, columns, count)) }}{% endmacro %}

{% macro redshift__lookup(index, values) %}{{ return(mlbridge.default__lookup(index, values)) }}{% endmacro %}

{% macro redshift__looking_back(moment, is_event, duration) %}
  {#- A frame counts rows here: the events of one moment stand before the row that looks back at them. -#}
  {%- if duration is none -%}
    {{ return('order by ' ~ moment ~ ', ' ~ is_event ~ ' desc rows between unbounded preceding and current row') }}
  {%- endif -%}
  {{ mlbridge.refuse(model.name, 'Redshift has no window over a span of time: leave `over` out, or make the feature on another engine.') }}
{% endmacro %}

{% macro redshift__online_materialization(hook) %}{{ return({'materialized': 'table'}) }}{% endmacro %}
