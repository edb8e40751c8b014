{# Numbers as SQL: literals, elements of documents, choices, counting. #}

{% macro number(value) %}
  {#- A Python float as a literal that no engine reads as a decimal; a None is NULL. -#}
  {{ return(mlbridge.number_literals([value])[0]) }}
{% endmacro %}

{% macro number_literals(values) %}
  {#- The same of many, in one call: the call of a macro takes dbt longer than what this one does. -#}
  {%- set literals = [] -%}
  {%- for value in values -%}
    {%- set digits = 'null' if value is none else (value | float | string) -%}
    {%- do literals.append(digits if value is none or 'e' in digits else digits ~ 'e0') -%}
  {%- endfor -%}
  {{ return(literals) }}
{% endmacro %}

{% macro pick(index, cases, default='null') %}
  {#-
    `case index when 0 then ... end` over expressions by index. Many of them are halved first, so that a row is compared with a few
    of them only.
  -#}
  {%- if not cases -%}{{ return(default) }}{%- endif -%}
  {%- set numbers = cases | sort -%}
  {%- if numbers | length > 40 and numbers[0] is integer -%}
    {%- set middle, halves = numbers[numbers | length // 2], [{}, {}] -%}
    {%- for number, value in cases.items() -%}{%- do halves[number >= middle].update({number: value}) -%}{%- endfor -%}
    {{ return('case when ' ~ index ~ ' < ' ~ middle ~ ' then ' ~ mlbridge.pick(index, halves[0], default) ~ ' else '
      ~ mlbridge.pick(index, halves[1], default) ~ ' end') }}
  {%- endif -%}
  {%- set whens = [] -%}
  {%- for number, value in cases.items() -%}{%- do whens.append('when ' ~ number ~ ' then ' ~ value) -%}{%- endfor -%}
  {{ return('case ' ~ index ~ ' ' ~ whens | join(' ') ~ ' else ' ~ default ~ ' end') }}
{% endmacro %}

{% macro up_to(value, limits, results, otherwise) %}
  {#-
    The result of the first of the ascending `limits` that a value does not exceed, all of them as SQL. Many limits are halved
    first, so that a row is compared with a few of them only. The value is not NULL.
  -#}
  {%- if limits | length > 8 -%}
    {%- set middle = limits | length // 2 -%}
    {{ return('case when ' ~ value ~ ' <= ' ~ limits[middle - 1] ~ ' then '
      ~ mlbridge.up_to(value, limits[:middle - 1], results[:middle - 1], results[middle - 1]) ~ ' else '
      ~ mlbridge.up_to(value, limits[middle:], results[middle:], otherwise) ~ ' end') }}
  {%- endif -%}
  {%- set whens = [] -%}
  {%- for limit in limits -%}{%- do whens.append('when ' ~ value ~ ' <= ' ~ limit ~ ' then ' ~ results[loop.index0]) -%}{%- endfor -%}
  {{ return('case ' ~ whens | join(' ') ~ ' else ' ~ otherwise ~ ' end' if whens else otherwise) }}
{% endmacro %}

{% macro numbers(count) %}
  {#- A relation of one column `item_no`, 0 to count - 1. -#}
  {%- set rows = [] -%}
  {%- for index in range(count) -%}{%- do rows.append('select ' ~ index ~ ' as item_no') -%}{%- endfor -%}
  {{ return('(' ~ rows | join(' union all ') ~ ')') }}
{% endmacro %}
