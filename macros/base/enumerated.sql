{# Values in error messages. `mlbridge/errors.py` writes them in the same form. #}

{% macro enumerated(words, most=20) %}
  {#- Words in quotes with commas between them, at most `most` of them; `none` without any. -#}
  {%- set quoted = [] -%}
  {%- for word in words -%}{%- do quoted.append("'" ~ word ~ "'") -%}{%- endfor -%}
  {%- set more = ' and ' ~ mlbridge.grouped(quoted | length - most) ~ ' more' if quoted | length > most else '' -%}
  {{ return((quoted[:most] | join(', ') or 'none') ~ more) }}
{% endmacro %}

{% macro shown(found) %}
  {#- A value of a YAML file, as YAML spells it: a text in quotes, as in a list, a long one cut. -#}
  {%- set special = {'None': 'nothing', 'True': 'true', 'False': 'false', 'nan': '.nan', 'inf': '.inf', '-inf': '-.inf'} -%}
  {%- set text = ([found] | string)[1:-1] -%}
  {%- set text = special.get(text, text) -%}
  {{ return(text if text | length <= 200 else text[:200] ~ '... (' ~ mlbridge.grouped(text | length) ~ ' characters)') }}
{% endmacro %}

{% macro grouped(count) %}
  {#- A number of rows or characters, with a comma before each three digits. -#}
  {{ return(count | string | list | reverse | batch(3) | map('join') | join(',') | list | reverse | join) }}
{% endmacro %}
