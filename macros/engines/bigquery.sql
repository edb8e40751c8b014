{# BigQuery. #}

{% macro bigquery__json_item(array, index) %}{{ return('json_value(' ~ array ~ ", '$[" ~ index ~ "]')") }}{% endmacro %}

{% macro bigquery__four_decimals(value) %}{{ return("format('%.4f', " ~ value ~ ')') }}{% endmacro %}

{% macro bigquery__whole_number(hash) %}{{ return("cast(concat('0x', substring(" ~ hash ~ ', 1, 7)) as bigint)') }}{% endmacro %}

{% macro bigquery__epoch(value) %}{{ return('unix_micros(timestamp(' ~ value ~ ')) / 1e6') }}{% endmacro %}

{% macro bigquery__in_zone(moment, zone) %}{{ return('datetime(' ~ moment ~ ', ' ~ mlbridge.text(zone) ~ ')') }}{% endmacro %}

{% macro bigquery__not_nan(number) %}{{ return('if(is_nan(' ~ number ~ '), null, ' ~ number ~ ')') }}{% endmacro %}

{% macro bigquery__truncated(size, moment) %}
  {#- BigQuery's WEEK begins on a Sunday. -#}
  {{ return('timestamp_trunc(' ~ moment ~ ', ' ~ ('isoweek' if size == 'week' else size) ~ ')') }}
{% endmacro %}

{% macro bigquery__unfold(relation, document, keys, fields, condition) %}
  {%- set values = mlbridge.columns_of('source', keys) -%}
  {%- for name, type in fields.items() -%}
    {%- do values.append('cast(json_value(record, ' ~ mlbridge.text('$.' ~ name) ~ ') as ' ~ mlbridge.type_of(type) ~ ') as '
      ~ mlbridge.named(name)) -%}
  {%- endfor -%}
  (
    select {{ values | join(', ') }}
    from {{ relation }} as source
    cross join unnest(json_query_array({{ document }})) as record
    where {{ condition }}
  )
{%- endmacro %}

{% macro bigquery__can_unfold(text) %}{{ return('safe.parse_json(' ~ text ~ ') is not null') }}{% endmacro %}

{% macro bigquery__json_array(texts) %}{{ return('to_json_string([' ~ texts | join(', ') ~ '])') }}{% endmacro %}

{% macro bigquery__type_double() %}{{ return('float64') }}{% endmacro %}

{% macro bigquery__later(unit, count, moment) %}
  {#- Without the cast it is a DATETIME, which BigQuery does not compare with a TIMESTAMP. -#}
  {{ return('cast(' ~ dbt.dateadd(unit, count, moment) ~ ' as timestamp)') }}
{% endmacro %}

{% macro bigquery__texts(values) %}
  {#- A backslash begins an escape, and a literal must not contain a line break. -#}
  {%- set found = [] -%}
  {%- for value in values -%}
    {%- set escaped = value | string | replace('\\', '\\\\') | replace("'", "\\'") | replace('\n', '\\n') | replace('\r', '\\r') -%}
    {%- do found.append('null' if value is none else "'" ~ escaped ~ "'") -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{% macro bigquery__type_bytes() %}{{ return('bytes') }}{% endmacro %}

{% macro bigquery__looking_back(moment, is_event, duration) %}
  {#- A frame of a distance goes by numbers here, which only a TIMESTAMP has. -#}
  {%- if duration is none -%}{{ return(mlbridge.default__looking_back(moment, is_event, duration)) }}{%- endif -%}
  {%- set count, unit = duration.split(' ') -%}
  {%- set microseconds = count | int * {'minute': 60, 'hour': 3600}[unit.rstrip('s')] * 1000000 -%}
  {{ return('order by unix_micros(timestamp(' ~ moment ~ ')) range between ' ~ microseconds ~ ' preceding and current row') }}
{% endmacro %}
