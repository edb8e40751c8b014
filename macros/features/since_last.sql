{% macro since_last(spine, time, events, features) %}
  {#-
    The rows of `spine` with the time from the newest event that counted at each row's moment `time` to that moment, as a number of
    the `unit`; NULL without an event. See `read_events` and `read_features`.
  -#}
  {%- if not execute -%}{{ return('select * from ' ~ spine) }}{%- endif -%}
  {%- set time = mlbridge.one_name(model.name, 'since_last.time', time) -%}
  {%- set events = mlbridge.read_events('since_last', events) -%}
  {%- set seconds = {'seconds': 1, 'minutes': 60, 'hours': 3600, 'days': 86400, 'weeks': 604800} -%}
  {%- set groups, columns = {}, {} -%}
  {%- for feature in mlbridge.read_features('since_last', spine, time, events, features, ['unit']) -%}
    {%- set unit = mlbridge.one_of(model.name, feature.path ~ '.unit', feature.column, seconds.keys() | list) -%}
    {%- set happened = mlbridge.epoch(mlbridge.quoted(events.time)) -%}
    {%- set newest = mlbridge.seen_of(mlbridge.group_of(groups, feature.entity), happened, feature.over, 'max') -%}
    {%- set between = mlbridge.epoch('ml_spine.' ~ mlbridge.quoted(time)) ~ ' - ' ~ newest -%}
    {%- do columns.update({feature.name: 'cast(' ~ between ~ ' as ' ~ mlbridge.type_double() ~ ') / ' ~ seconds[unit]}) -%}
  {%- endfor -%}
  {{ mlbridge.with_events(spine, time, events, groups, columns) }}
{% endmacro %}
