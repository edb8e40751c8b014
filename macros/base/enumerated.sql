{# Values in error messages. `mlbridge/errors.py` writes them in the same form. #}

{% macro enumerated(words, most=20) %}
  {#- Words in quotes with commas between them, at most `most` of them; `none` without any. -#}
  {%- set quoted = [] -%}
  {%- for word in words -%}{%- do quoted.append("'" ~ word ~ "'") -%}{%- endfor -%}
  {%- set more = ' and ' ~ '{:,}'.format(quoted | length - most) ~ ' more' if quoted | length > most else '' -%}
  {{ return((quoted[:most] | join(', ') or 'none') ~ more) }}
{% endmacro %}

{% macro shown(found) %}
  {#- A value of a YAML file, as YAML spells it: a text in quotes, a long one cut. -#}
  {%- set special = {'None': 'nothing', 'True': 'true', 'False': 'false', 'nan': '.nan', 'inf': '.inf', '-inf': '-.inf'} -%}
  {%- set text = '%r' | format(found) -%}
  {%- set text = special.get(text, text) -%}
  {{ return(text if text | length <= 200 else text[:200] ~ '... (' ~ '{:,}'.format(text | length) ~ ' characters)') }}
{% endmacro %}
