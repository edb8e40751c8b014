{# Numbers as SQL: literals, elements of documents, choices, counting. #}

{% macro number(value) %}
  {#- A Python float as a literal that no engine reads as a decimal; a None is NULL. -#}
  {%- if value is none -%}{{ return('null') }}{%- endif -%}
  {%- set digits = '%r' % (value | float) -%}
  {{ return(digits if 'e' in digits else digits ~ 'e0') }}
{% endmacro %}

{% macro item_number(array, place) %}
  {#- The item at a place (from 0) of a JSON array of numbers. -#}
  {{ return('cast(' ~ adapter.dispatch('json_item', 'mlbridge')(array, place) ~ ' as ' ~ mlbridge.type_double() ~ ')') }}
{% endmacro %}

{% macro default__json_item(array, place) %}{{ return('cast(' ~ array ~ ' as jsonb) ->> ' ~ place) }}{% endmacro %}

{% macro duckdb__json_item(array, place) %}{{ return('json_extract_string(' ~ array ~ ", '$[" ~ place ~ "]')") }}{% endmacro %}

{% macro snowflake__json_item(array, place) %}{{ return('parse_json(' ~ array ~ ')[' ~ place ~ ']') }}{% endmacro %}

{% macro bigquery__json_item(array, place) %}{{ return('json_value(' ~ array ~ ", '$[" ~ place ~ "]')") }}{% endmacro %}

{% macro spark__json_item(array, place) %}{{ return('get_json_object(' ~ array ~ ", '$[" ~ place ~ "]')") }}{% endmacro %}

{% macro redshift__json_item(array, place) %}{{ return('json_extract_array_element_text(' ~ array ~ ', ' ~ place ~ ')') }}{% endmacro %}

{% macro pick(place, cases, default='null') %}
  {#- `case place when 0 then ... end` over expressions by place. -#}
  {%- if not cases -%}{{ return(default) }}{%- endif -%}
  {%- set whens = [] -%}
  {%- for number, value in cases.items() -%}{%- do whens.append('when ' ~ number ~ ' then ' ~ value) -%}{%- endfor -%}
  {{ return('case ' ~ place ~ ' ' ~ whens | join(' ') ~ ' else ' ~ default ~ ' end') }}
{% endmacro %}

{% macro numbers(count) %}
  {#- A relation of one column `place`, 0 to count - 1. -#}
  {%- set rows = [] -%}
  {%- for place in range(count) -%}{%- do rows.append('select ' ~ place ~ ' as place') -%}{%- endfor -%}
  {{ return('(' ~ rows | join(' union all ') ~ ')') }}
{% endmacro %}
