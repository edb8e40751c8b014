{#
  What the features of one entity ask their events for: a `group`, which collects it, and the columns in which `known_events.sql` answers.
#}

{% macro group_of(groups, entity) %}
  {#- The group of the features of an entity, which maps the events' columns to the spine's. -#}
  {%- set key = tojson(entity.items() | list) -%}
  {%- if key not in groups -%}
    {%- do groups.update({key: {
      'number': groups | length + 1, 'entity': entity, 'expressions': {}, 'sums': {}, 'kept': {}, 'picks': {}, 'distinct': {},
    }}) -%}
  {%- endif -%}
  {{ return(groups[key]) }}
{% endmacro %}

{% macro seen_of(group, expression, over=none, function='sum') %}
  {#- A column: the sum of an expression over the events that have come to count, in the span `over` before the moment or in all the past. -#}
  {%- set value = group.expressions.setdefault(expression, 'ml_value_' ~ (group.expressions | length + 1)) -%}
  {%- set call = function ~ '(' ~ value ~ ')' -%}
  {%- set sum = group.sums.setdefault(call ~ ' ' ~ over, {'name': 'ml_sum_' ~ (group.sums | length + 1), 'call': call, 'over': over}) -%}
  {{ return('ml_seen_' ~ group.number ~ '.' ~ sum.name) }}
{% endmacro %}

{% macro event_of(group, number, column) %}
  {#-
    A column of the event with this number, an expression; the first event that came to count has the number 1. Each column numbers the
    events for itself, so that what else is asked for changes nothing.
  -#}
  {%- set kept = group.kept.setdefault(column, 'ml_kept_' ~ (group.kept | length + 1)) -%}
  {%- set name = 'ml_event_' ~ group.number ~ '_' ~ (group.picks | length + 1) -%}
  {%- set pick = group.picks.setdefault(kept ~ ' ' ~ number, {'name': name, 'number': number, 'kept': kept}) -%}
  {{ return(pick.name ~ '.' ~ kept) }}
{% endmacro %}

{% macro distinct_of(group, column, over) %}
  {#- A column: how many different values a column of the events has. -#}
  {%- set name = 'ml_distinct_' ~ group.number ~ '_' ~ (group.distinct | length + 1) -%}
  {%- set value = group.expressions.setdefault(mlbridge.quoted(column), 'ml_value_' ~ (group.expressions | length + 1)) -%}
  {%- set found = group.distinct.setdefault(column ~ ' ' ~ over, {'name': name, 'value': value, 'over': over}) -%}
  {{ return(found.name ~ '.ml_distinct') }}
{% endmacro %}

{% macro keys_of_group(group, prefix='') %}
  {%- set keys = [] -%}
  {%- for column in group.entity -%}{%- do keys.append(prefix ~ 'ml_key_' ~ loop.index) -%}{%- endfor -%}
  {{ return(keys) }}
{% endmacro %}
