{% macro lagged(spine, time, events, features) %}
  {#-
    The rows of `spine` with a column of the last event that counted at each row's moment `time`, of the one before it, and so on: `back`
    says which, 1 is the last. See `read_events` and `read_features`.
  -#}
  {%- if not execute -%}{{ return('select * from ' ~ spine) }}{%- endif -%}
  {%- set time = mlbridge.one_name(model.name, 'lagged.time', time) -%}
  {%- set events = mlbridge.read_events('lagged', events) -%}
  {%- set groups, columns = {}, {} -%}
  {%- for feature in mlbridge.read_features('lagged', spine, time, events, features, ['value'], 'back') -%}
    {%- set group = mlbridge.group_of(groups, feature.entity) -%}
    {%- set number = mlbridge.seen_of(group, mlbridge.one_event()) ~ (' - ' ~ (feature.back - 1) if (feature.back or 1) > 1 else '') -%}
    {%- do columns.update({feature.name: mlbridge.event_of(group, number, feature.column)}) -%}
  {%- endfor -%}
  {{ mlbridge.with_events(spine, time, events, groups, columns) }}
{% endmacro %}
