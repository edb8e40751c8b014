{# What decides a build's result from outside: the clock, and what the caller asks for. Times are UTC. #}

{% macro version() %}{{ return('0.6.0') }}{% endmacro %}

{% macro as_of() %}
  {#- The moment whose knowledge this build works on: the var `mlbridge_as_of`, else the build's start. -#}
  {%- set said = var('mlbridge_as_of', none) or run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f') -%}
  {%- set day = '(\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]))' -%}
  {%- set time = '(([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?)' -%}
  {%- set moment = modules.re.match('^' ~ day ~ '([ T]' ~ time ~ ')?$', said | string) -%}
  {%- if moment is none or not mlbridge.in_month(moment.group(1)) -%}
    {{ exceptions.raise_compiler_error(
      "mlbridge_as_of: found '" ~ said ~ "'; expected a moment in UTC such as '2013-07-01' or '2013-07-01 12:00:00'"
    ) }}
  {%- endif -%}
  {{ return(moment.group(1) ~ ' ' ~ (moment.group(5) or '00:00:00')) }}
{% endmacro %}

{% macro retrain_word() %}
  {#- What the caller asks for: `true` trains in any case, `policy` (or `false`) by the spec's `retrain`, `never` not
      again. A word that is none of these is refused by the Python node. -#}
  {{ return(var('mlbridge_retrain', false) | string | lower) }}
{% endmacro %}

{% macro in_month(day) %}
  {#- Whether the calendar has the day: 2013-02-30 it has not. -#}
  {%- set year, month, number = day.split('-') | map('int') -%}
  {%- set later = modules.datetime.timedelta(days=number - 1) -%}
  {{ return(year > 0 and (modules.datetime.date(year, month, 1) + later).month == month) }}
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

{% macro grant() %}
  {#- Lets the roles of the var `mlbridge_grant_select` read the calling model, unless the host configures `+grants`.
      Here, because a package's dbt_project.yml sees no vars of the host. -#}
  {%- set roles = var('mlbridge_grant_select', []) -%}
  {%- if roles -%}{{ config(grants={'select': roles}) }}{%- endif -%}
{% endmacro %}
