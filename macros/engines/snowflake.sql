{# Snowflake. #}

{% macro snowflake__json_item(array, index) %}{{ return('parse_json(' ~ array ~ ')[' ~ index ~ ']') }}{% endmacro %}

{% macro snowflake__whole_number(hash) %}{{ return('to_number(substring(' ~ hash ~ ", 1, 7), 'XXXXXXX')") }}{% endmacro %}

{% macro snowflake__epoch(value) %}{{ return('date_part(epoch_microsecond, ' ~ value ~ ') / 1e6') }}{% endmacro %}

{% macro snowflake__in_zone(moment, zone) %}{{ return("convert_timezone('UTC', " ~ mlbridge.text(zone) ~ ', ' ~ moment ~ ')') }}{% endmacro %}

{% macro snowflake__unfold(relation, document, keys, fields, condition) %}
  {%- set values = mlbridge.columns_of('source', keys) -%}
  {%- for name, type in fields.items() -%}
    {%- do values.append('cast(get(record.value, ' ~ mlbridge.text(name) ~ ') as ' ~ mlbridge.type_of(type) ~ ') as '
      ~ mlbridge.named(name)) -%}
  {%- endfor -%}
  (
    select {{ values | join(', ') }}
    from {{ relation }} as source
    cross join lateral flatten(input => parse_json({{ document }})) as record
    where {{ condition }}
  )
{%- endmacro %}

{% macro snowflake__can_unfold(text) %}{{ return('check_json(' ~ text ~ ') is null') }}{% endmacro %}

{% macro snowflake__json_array(texts) %}{{ return('to_json(array_construct(' ~ texts | join(', ') ~ '))') }}{% endmacro %}

{% macro snowflake__texts(values) %}{{ return(mlbridge.bigquery__texts(values)) }}{% endmacro %}
