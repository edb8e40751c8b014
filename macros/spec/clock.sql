{# The clock of a build. Times are UTC. #}

{% macro as_of() %}
  {#- The moment (UTC) up to which this build may use knowledge: the var `mlbridge_as_of`, else the build's start. -#}
  {%- set value = var('mlbridge_as_of', none) -%}
  {%- if value in [none, ''] -%}{%- set value = mlbridge.build_started_at() -%}{%- endif -%}
  {%- set day = '([0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]))' -%}
  {%- set time = '(([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?)' -%}
  {%- set moment = modules.re.match('^' ~ day ~ '([ T]' ~ time ~ ')?$', value | string) -%}
  {%- if moment is none or not mlbridge.in_month(moment.group(1)) -%}
    {{ mlbridge.refuse_var('mlbridge_as_of', "a moment in UTC such as '2013-07-01' or '2013-07-01 12:00:00'", value) }}
  {%- endif -%}
  {%- set as_of = moment.group(1) ~ ' ' ~ (moment.group(5) or '00:00:00') -%}
  {%- set now = mlbridge.build_started_at() -%}
  {%- if execute and mlbridge.as_datetime(as_of) > mlbridge.as_datetime(now) -%}
    {{ exceptions.raise_compiler_error(
      "mlbridge_as_of: '" ~ value ~ "' lies in the future: it is " ~ now[:19] ~ " in UTC. What will be known then is not known yet; "
      ~ "name a moment that has passed, or leave the var out"
    ) }}
  {%- endif -%}
  {{ return(as_of) }}
{% endmacro %}

{% macro build_started_at() %}
  {#- The moment (UTC) at which dbt has started, to the microsecond: dbt 2 counts nanoseconds. -#}
  {{ return(run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f')[:26]) }}
{% endmacro %}

{% macro is_known(moment) %}
  {#-
    A condition: whether this build may use what was written at a moment. Only a build with `mlbridge_as_of` leaves out later
    rows; a view that is built without the var also shows rows that are written after it was built.
  -#}
  {{ return(moment ~ " <= cast('" ~ mlbridge.as_of() ~ "' as timestamp)" if var('mlbridge_as_of', none) else '1 = 1') }}
{% endmacro %}

{% macro in_month(day) %}
  {#- Whether the day exists, as 2013-02-30 does not. -#}
  {%- set year, month, number = day.split('-') | map('int') -%}
  {%- set later = modules.datetime.timedelta(days=number - 1) -%}
  {{ return(year > 0 and (modules.datetime.date(year, month, 1) + later).month == month) }}
{% endmacro %}

{% macro as_datetime(text) %}
  {#- A moment as `as_of` writes it, as a datetime. -#}
  {{ return(modules.datetime.datetime.fromisoformat(text)) }}
{% endmacro %}
