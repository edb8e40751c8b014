{% macro encoded_rate(spine, time, events, features) %}
  {#-
    The rows of `spine` with the rate of an entity, such as a category, by the events that counted at each row's moment `time`: the
    `share` of true ones, or the `mean`, drawn to that of all events as if `weight` more events had had it. So an entity with few events
    is near the rate of all, and one without any has it. NULL without any event at all. See `read_events` and `read_features`.
  -#}
  {%- if not execute -%}{{ return('select * from ' ~ spine) }}{%- endif -%}
  {%- set time = mlbridge.one_name(model.name, 'encoded_rate.time', time) -%}
  {%- set events = mlbridge.read_events('encoded_rate', events) -%}
  {%- set groups, columns = {}, {} -%}
  {%- for feature in mlbridge.read_features('encoded_rate', spine, time, events, features, ['share', 'mean'], others=['weight']) -%}
    {%- set path = feature.path ~ '.weight' -%}
    {%- set weight = mlbridge.one_number(model.name, path, feature.said.get('weight', 20), 'a number of events above 0', 0, 1e9) -%}
    {%- set own, every = mlbridge.group_of(groups, feature.entity), mlbridge.group_of(groups, {}) -%}
    {%- set total, filled = mlbridge.sums_of(own, feature.sort, feature.column, feature.over) -%}
    {%- set all_total, all_filled = mlbridge.sums_of(every, feature.sort, feature.column, feature.over) -%}
    {%- set weight = mlbridge.number(weight) -%}
    {%- set rate = '(coalesce(' ~ total ~ ', 0) + ' ~ weight ~ ' * ' ~ mlbridge.ratio(all_total, all_filled) ~ ')' -%}
    {%- do columns.update({feature.name: rate ~ ' / (coalesce(' ~ filled ~ ', 0) + ' ~ weight ~ ')'}) -%}
  {%- endfor -%}
  {{ mlbridge.with_events(spine, time, events, groups, columns) }}
{% endmacro %}
