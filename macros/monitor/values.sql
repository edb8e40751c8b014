{# What a model sees of a column, as training reads it: a number (never NaN) or a text. #}

{% macro value_of(column, kind, table) %}
  {#- `column` is one of `adapter.get_columns_in_relation`. A moment becomes seconds since 1970 (UTC). -#}
  {%- set value = table ~ '.' ~ mlbridge.quoted(column.name) -%}
  {%- set type = column.dtype | lower -%}
  {%- if kind == 'category' -%}{{ return('cast(' ~ value ~ ' as ' ~ dbt.type_string() ~ ')') }}{%- endif -%}
  {%- if type in ['boolean', 'bool'] -%}
    {%- set value = 'case when ' ~ value ~ ' then 1 when not ' ~ value ~ ' then 0 end' -%}
  {%- elif type.startswith('timestamp') or type.startswith('date') -%}
    {%- set value = adapter.dispatch('epoch', 'mlbridge')(value) -%}
  {%- endif -%}
  {%- set number = 'cast(' ~ value ~ ' as ' ~ mlbridge.type_double() ~ ')' -%}
  {{ return(adapter.dispatch('not_nan', 'mlbridge')(number) if column.is_float() else number) }}
{% endmacro %}

{% macro default__epoch(value) %}{{ return('extract(epoch from ' ~ value ~ ')') }}{% endmacro %}

{% macro snowflake__epoch(value) %}{{ return('date_part(epoch_microsecond, ' ~ value ~ ') / 1e6') }}{% endmacro %}

{% macro bigquery__epoch(value) %}{{ return('unix_micros(timestamp(' ~ value ~ ')) / 1e6') }}{% endmacro %}

{% macro spark__epoch(value) %}{{ return('unix_micros(cast(' ~ value ~ ' as timestamp)) / 1e6') }}{% endmacro %}

{% macro default__not_nan(number) %}{{ return('nullif(' ~ number ~ ", cast('NaN' as " ~ mlbridge.type_double() ~ '))') }}{% endmacro %}

{% macro bigquery__not_nan(number) %}{{ return('if(is_nan(' ~ number ~ '), null, ' ~ number ~ ')') }}{% endmacro %}
