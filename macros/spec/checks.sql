{# What a value in a training node's YAML may be: each macro returns the value or refuses it, with the message of `mlbridge/spec/checks.py`. #}

{% macro refuse_key(node, key, problem) %}
  {{ mlbridge.refuse(node, '`mlbridge.' ~ key ~ '`: ' ~ problem) }}
{% endmacro %}

{% macro known_keys(node, path, found, allowed) %}
  {#- A mapping whose keys are all allowed; a none has no keys. -#}
  {%- if found is none -%}{{ return({}) }}{%- endif -%}
  {%- if found is not mapping -%}
    {{ mlbridge.refuse_key(node, path, 'expected keys among ' ~ mlbridge.enumerated(allowed) ~ ', found ' ~ mlbridge.shown(found) ~ '.') }}
  {%- endif -%}
  {%- for key in found if key not in allowed -%}
    {%- set word = key if key is string else mlbridge.shown(key) -%}
    {{ mlbridge.refuse_key(node, path ~ '.' ~ word if path else word, 'unknown key.' ~ mlbridge.nearest(key, allowed) ~ ' Allowed: '
      ~ mlbridge.enumerated(allowed, 60) ~ '.') }}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{% macro one_of(node, key, found, allowed) %}
  {%- if found not in allowed -%}
    {{ mlbridge.refuse_key(node, key, 'found ' ~ mlbridge.shown(found) ~ '.' ~ mlbridge.nearest(found, allowed) ~ ' Allowed: '
      ~ mlbridge.enumerated(allowed) ~ '.') }}
  {%- endif -%}
  {{ return(found) }}
{% endmacro %}

{% macro one_name(node, key, found, words='', what='a column') %}
  {#- The name of `what`; `words` are allowed as well. -#}
  {%- if found is not string or not found -%}
    {{ mlbridge.refuse_key(node, key, 'expected ' ~ words ~ 'the name of ' ~ what ~ ', found ' ~ mlbridge.shown(found) ~ '.') }}
  {%- endif -%}
  {{ return(found) }}
{% endmacro %}

{% macro names_of(node, key, found) %}
  {#- One name or a list of different names, as a list; a none is no names. -#}
  {%- if found is none -%}{{ return([]) }}{%- endif -%}
  {%- set names = [found] if found is string else found -%}
  {%- if names is mapping or names is not iterable -%}
    {{ mlbridge.refuse_key(node, key, 'expected the name of a column or a list of names, found ' ~ mlbridge.shown(found) ~ '.') }}
  {%- endif -%}
  {%- if names | map('string') | unique(case_sensitive=true) | list | length < names | length -%}
    {{ mlbridge.refuse_key(node, key, 'holds a name twice: ' ~ mlbridge.enumerated(names) ~ '.') }}
  {%- endif -%}
  {%- for name in names -%}{%- do mlbridge.one_name(node, key, name) -%}{%- endfor -%}
  {{ return(names) }}
{% endmacro %}

{% macro one_number(node, key, found, wanted, above, below) %}
  {#- A number between two others, both left out; a `below` of none is the largest double. -#}
  {%- set is_number = found is number and found is not boolean -%}
  {%- if not is_number or not above < found < (below or 1.7976931348623157e308) -%}
    {{ mlbridge.refuse_key(node, key, 'expected ' ~ wanted ~ ', found ' ~ mlbridge.shown(found) ~ '.') }}
  {%- endif -%}
  {{ return(found) }}
{% endmacro %}

{% macro one_version(node, key, found) %}
  {%- if found is not integer or found < 1 -%}
    {{ mlbridge.refuse_key(node, key, 'expected the number of a version in ml_versions, found ' ~ mlbridge.shown(found) ~ '.') }}
  {%- endif -%}
  {{ return(found) }}
{% endmacro %}

{% macro one_flag(node, key, found) %}
  {%- if found is not boolean -%}
    {{ mlbridge.refuse_key(node, key, 'expected true or false, found ' ~ mlbridge.shown(found) ~ '.') }}
  {%- endif -%}
  {{ return(found) }}
{% endmacro %}

{% macro one_duration(node, key, found) %}
  {%- set duration = found | string -%}
  {%- set parts = modules.re.match('([0-9]{1,8}) (minute|hour|day|week)s?$', duration) -%}
  {%- set longest = {'minute': 52560000, 'hour': 876000, 'day': 36500, 'week': 5214} -%}
  {%- if parts is none or duration.endswith('\n') or parts.group(1) | int > longest[parts.group(2)] -%}
    {{ mlbridge.refuse_key(node, key, "expected e.g. '7 days' (a whole number in the digits 0 to 9, of minutes, hours, days or weeks; "
      ~ "at most 100 years), found " ~ mlbridge.shown(found) ~ '.') }}
  {%- endif -%}
  {{ return(duration) }}
{% endmacro %}

{% macro all_finite(node, spec) %}
  {#- Refuses .nan and .inf at any depth: dbt writes the spec into Python code, which has no words for them. -#}
  {%- for path, found in [['', spec]] recursive -%}{#- downwards -#}
    {%- set parts = [] -%}
    {%- if found is mapping -%}
      {%- for key, value in found.items() -%}{%- do parts.append([path ~ '.' ~ key if path else key, value]) -%}{%- endfor -%}
    {%- elif found is iterable and found is not string -%}
      {%- for value in found -%}{%- do parts.append([path, value]) -%}{%- endfor -%}
    {%- elif found is float and not -1.7976931348623157e308 <= found <= 1.7976931348623157e308 -%}
      {{ mlbridge.refuse_key(node, path, 'expected a finite number, found ' ~ mlbridge.shown(found) ~ '.') }}
    {%- endif -%}
    {{- loop(parts) -}}
  {%- endfor -%}
{% endmacro %}
