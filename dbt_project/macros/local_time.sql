{# Every moment in this project is a TIMESTAMP without zone. It is UTC unless its name ends in _local. #}

{% macro utc_to_local(moment, zone) -%}
    (({{ moment }} at time zone 'UTC') at time zone {{ zone }})
{%- endmacro %}

{% macro local_to_utc(moment, zone) -%}
    (({{ moment }} at time zone {{ zone }}) at time zone 'UTC')
{%- endmacro %}

{# The airlines write a clock time as an integer: 517 is 5:17, and 2400 is the midnight that ends a day. #}
{% macro minutes_of_hhmm(hhmm) -%}
    ({{ hhmm }} - 40 * floor({{ hhmm }} / 100))
{%- endmacro %}

{% macro hhmm_to_interval(hhmm) -%}
    (interval '1 minute' * {{ minutes_of_hhmm(hhmm) }})
{%- endmacro %}

{# 0 and 2400 are the same time on a clock, so both come out as 0. #}
{% macro clock_minutes(hhmm) -%}
    (cast({{ minutes_of_hhmm(hhmm) }} as integer) % 1440)
{%- endmacro %}

{% macro clock_minutes_at(moment, zone) -%}
    (date_part('hour', {{ utc_to_local(moment, zone) }}) * 60 + date_part('minute', {{ utc_to_local(moment, zone) }}))
{%- endmacro %}

{% macro minutes_between(earlier, later) -%}
    cast(extract(epoch from {{ later }} - {{ earlier }}) / 60 as bigint)
{%- endmacro %}
