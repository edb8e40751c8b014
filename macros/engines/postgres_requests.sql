{# PostgreSQL: the requests that a server has recorded, which Python loads, and values of JSON in types of columns, as `try_cast` would give them. #}

{% macro postgres__recorded_requests(folder) %}
  {#- The table beside the model that `mlbridge/serving/recorded.py` fills from the files of the folder. -#}
  {{ return(adapter.get_relation(this.database, this.schema, this.identifier ~ '_recorded') if execute else none) }}
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
