{# What decides a build's result from outside: the clock, and what the caller asks for. Times are UTC. #}

{% macro version() %}{{ return('0.1.0') }}{% endmacro %}

{% macro as_of() %}
  {#- The moment whose knowledge this build works on: the var `mlbridge_as_of`, else the build's start. -#}
  {%- set said = var('mlbridge_as_of', none) or run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f') -%}
  {%- set moment = modules.re.match('^(\d{4}-\d\d-\d\d)([ T](\d\d:\d\d(:\d\d(\.\d{1,6})?)?))?$', said | string) -%}
  {%- if moment is none -%}
    {{ exceptions.raise_compiler_error(
      "mlbridge_as_of: found '" ~ said ~ "'; expected a moment in UTC such as '2013-07-01' or '2013-07-01 12:00:00'"
    ) }}
  {%- endif -%}
  {{ return(moment.group(1) ~ ' ' ~ (moment.group(3) or '00:00:00')) }}
{% endmacro %}

{% macro models() %}
  {#- The names of the ML models that the host declares. -#}
  {%- set names = var('mlbridge_models', []) -%}
  {%- if names is string or names is mapping or names is not iterable -%}
    {{ exceptions.raise_compiler_error(
      "vars: mlbridge_models: expected a list of names such as [late_arrival], found: " ~ names
    ) }}
  {%- endif -%}
  {{ return(names) }}
{% endmacro %}
