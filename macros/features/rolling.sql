{% macro rolling(spine, time, events, features) %}
  {#-
    The rows of `spine` with figures of the events that counted at each row's moment `time`, the moment itself included: all of them, or
    those that came to count in the span `over` before it. See `read_events` and `read_features`.
  -#}
  {%- if not execute -%}{{ return('select * from ' ~ spine) }}{%- endif -%}
  {%- set time = mlbridge.one_name(model.name, 'rolling.time', time) -%}
  {%- set events = mlbridge.read_events('rolling', events) -%}
  {%- set sorts = ['count', 'sum', 'mean', 'share', 'distinct', 'first', 'last'] -%}
  {%- set groups, columns = {}, {} -%}
  {%- for feature in mlbridge.read_features('rolling', spine, time, events, features, sorts) -%}
    {%- set group = mlbridge.group_of(groups, feature.entity) -%}
    {%- do columns.update({feature.name: mlbridge.figure_of(group, feature.sort, feature.column, feature.over)}) -%}
  {%- endfor -%}
  {{ mlbridge.with_events(spine, time, events, groups, columns) }}
{% endmacro %}

{% macro figure_of(group, sort, column, over) %}
  {%- if sort == 'distinct' -%}
    {{ return(mlbridge.whole_count(mlbridge.distinct_of(group, column, over))) }}
  {%- elif sort in ['first', 'last'] -%}
    {%- set seen, here = mlbridge.seen_of(group, mlbridge.one_event()), mlbridge.seen_of(group, mlbridge.one_event(), over) -%}
    {%- set number = seen ~ ' - ' ~ here ~ ' + 1' if sort == 'first' else seen -%}
    {{ return(mlbridge.event_of(group, 'case when ' ~ here ~ ' > 0 then ' ~ number ~ ' end', column)) }}
  {%- elif sort == 'count' -%}
    {{ return(mlbridge.whole_count(mlbridge.seen_of(group, mlbridge.one_event(column), over))) }}
  {%- elif sort == 'sum' -%}
    {{ return('coalesce(' ~ mlbridge.seen_of(group, mlbridge.quoted(column), over) ~ ', 0)') }}
  {%- endif -%}
  {%- set total, filled = mlbridge.sums_of(group, sort, column, over) -%}
  {{ return(mlbridge.ratio(total, filled)) }}
{% endmacro %}

{% macro sums_of(group, sort, column, over) %}
  {#- What a `share` or a `mean` divides, and by what: the events in which the column is not NULL. -#}
  {%- set value = mlbridge.quoted(column) -%}
  {%- set total = 'case when ' ~ value ~ ' then 1 when not ' ~ value ~ ' then 0 end' if sort == 'share' else value -%}
  {{ return([mlbridge.seen_of(group, total, over), mlbridge.seen_of(group, mlbridge.one_event(column), over)]) }}
{% endmacro %}

{% macro one_event(column='*') %}
  {#- One for each event, or for each in which the column is not NULL. -#}
  {{ return('1' if column == '*' else 'case when ' ~ mlbridge.quoted(column) ~ ' is not null then 1 end') }}
{% endmacro %}

{% macro whole_count(sum) %}{{ return('cast(coalesce(' ~ sum ~ ', 0) as ' ~ dbt.type_bigint() ~ ')') }}{% endmacro %}

{% macro ratio(part, whole) %}
  {#- NULL when there is nothing to divide by. -#}
  {{ return('cast(' ~ part ~ ' as ' ~ mlbridge.type_double() ~ ') / nullif(' ~ whole ~ ', 0)') }}
{% endmacro %}
