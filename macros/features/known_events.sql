{#
  The mechanism of features over events. The events of an entity and the moments at which the spine asks for it share one stream, in the order
  in which events come to count: sums over the stream look back from each moment and need no join by `<=`.
  Features of one entity share a stream, described by a `group`.
#}

{% macro with_events(spine, time, events, groups, features) %}
  {#- The SELECT: the rows of the spine with the new columns, a mapping of names to expressions over what the groups were asked for. -#}
  {%- set at = 'ml_spine.' ~ mlbridge.quoted(time) -%}
  with ml_spine as (
    select * from {{ spine }}
  )
  {%- for group in groups.values() -%}
    {{ mlbridge.counted_events(group, events, at) }}
  {%- endfor %}

  select
    ml_spine.*
    {%- for name, expression in features.items() %},
    {{ expression }} as {{ mlbridge.quoted(name) }}
    {%- endfor %}
  from ml_spine
  {%- for group in groups.values() %}
  {{ mlbridge.joined_events(group, at) }}
  {%- endfor %}
{% endmacro %}

{% macro counted_events(group, events, at) %}
  {#- CTEs: the events, the moments that are asked for, their stream, and for each of these moments what has been seen by then. -#}
  {%- set number, keys = group.number, mlbridge.keys_of_group(group) -%}
  {%- set entity = keys | join(', ') ~ ', ' if keys else '' -%}
  {%- set partition = 'partition by ' ~ keys | join(', ') ~ ' ' if keys else '' -%}
  {%- set time = mlbridge.quoted(events.time) -%}
  {%- set known_at = mlbridge.quoted(events.known_at) if events.known_at else time -%}
  {%- set from = mlbridge.shifted(known_at, events.embargo) if events.embargo else known_at -%}
  {%- set moment = 'ml_moment' if events.known_at else 'ml_known_from' -%}
  {%- set asked = [] -%}
  {%- for of_spine in group.entity.values() -%}{%- do asked.append('ml_spine.' ~ mlbridge.quoted(of_spine)) -%}{%- endfor -%}
,

  ml_events_{{ number }} as (
    select
      {%- for column in group.entity %}
      {{ mlbridge.quoted(column) }} as ml_key_{{ loop.index }},
      {%- endfor %}
      {%- for expression, name in group.expressions.items() %}
      {{ expression }} as {{ name }},
      {%- endfor %}
      {%- for column, name in group.kept.items() %}
      {{ mlbridge.quoted(column) }} as {{ name }},
      {%- endfor %}
      {{ time }} as ml_happened_at,
      {{ from }} as ml_known_from
      {#- What is announced before it happens counts from when it happens. #}
      {%- if events.known_at %},
      greatest({{ from }}, {{ time }}) as ml_moment
      {%- endif %}
    from {{ events.relation }}
    where {% for column in group.entity %}{{ mlbridge.quoted(column) }} is not null and {% endfor %}{{ time }} is not null
      {%- if events.known_at %} and {{ known_at }} is not null{% endif %}
  ),

  ml_asked_{{ number }} as (
    select distinct
      {%- for column in asked %}
      {{ column }} as ml_key_{{ loop.index }},
      {%- endfor %}
      {{ at }} as ml_moment
    from ml_spine
    where {% for column in asked %}{{ column }} is not null and {% endfor %}{{ at }} is not null
  )
  {%- if group.sums %},

  ml_stream_{{ number }} as (
    {%- for moment, condition in mlbridge.placed(events).items() %}
    select {{ entity }}{{ moment }} as ml_moment, 1 as ml_is_event{% for name in group.expressions.values() %}, {{ name }}{% endfor %}
    from ml_events_{{ number }}
    {%- if condition %}
    where {{ condition }}
    {%- endif %}
    union all
    {%- endfor %}
    select {{ entity }}ml_moment, 0 as ml_is_event{% for name in group.expressions.values() %}, null{% endfor %} from ml_asked_{{ number }}
  ),

  ml_counted_{{ number }} as (
    select
      {{ entity }}ml_moment, ml_is_event
      {%- for sum in group.sums.values() %},
      {{ sum.call }} over ({{ partition }}{{ mlbridge.looking_back('ml_moment', 'ml_is_event', sum.over) }}) as {{ sum.name }}
      {%- endfor %}
    from ml_stream_{{ number }}
  ),

  ml_seen_{{ number }} as (
    select * from ml_counted_{{ number }} where ml_is_event = 0
  )
  {%- endif -%}
  {%- if group.picks %},

  {#- Events that come to count at one moment are in the order of what happened, then of their values: always the same. #}

  ml_numbered_{{ number }} as (
    select
      {{ entity }}ml_known_from
      {%- for name in group.kept.values() %},
      {{ name }},
      row_number() over ({{ partition }}order by {{ moment }}, ml_happened_at, {{ name }} nulls first) as {{ name }}_number
      {%- endfor %}
    from ml_events_{{ number }}
  )
  {%- endif -%}
  {%- for distinct in group.distinct.values() -%}
    {{ mlbridge.distinct_values(distinct, events, number, entity, partition, moment) }}
  {%- endfor -%}
{%- endmacro %}

{% macro placed(events) %}
  {#-
    The column that says from when an event counts, `ml_moment`, by the columns that it comes from, each with a condition for the events whose it is:
    so a reader, and the search for leaks, can follow when each is known.
  -#}
  {{ return({'ml_known_from': 'ml_known_from >= ml_happened_at', 'ml_happened_at': 'ml_known_from < ml_happened_at'} if events.known_at
    else {'ml_known_from': none}) }}
{% endmacro %}

{% macro distinct_values(distinct, events, number, entity, partition, moment) %}
  {#-
    CTEs: a value begins to count with an event before which it did not, and ceases when the span has passed since one without another in it.
    `ml_phase` places what begins at a moment before the spine, and what ceases after it.
  -#}
  {%- set over, name = distinct.over, distinct.name -%}
  {%- set same = '(partition by ' ~ entity ~ distinct.value ~ ' order by ' ~ moment ~ ')' -%}
,

  {{ name }}_events as (
    select
      {{ entity }}ml_happened_at, ml_known_from, {{ moment }} as ml_moment,
      case when {{ distinct.value }} is not null then 1 end as ml_change,
      lag({{ moment }}) over {{ same }} as ml_before,
      lead({{ moment }}) over {{ same }} as ml_after
    from ml_events_{{ number }}
    where {{ distinct.value }} is not null
  ),

  {{ name }}_changes as (
    {%- for column, condition in mlbridge.placed(events).items() %}
    select {{ entity }}{{ column }} as ml_moment, 0 as ml_phase, ml_change
    from {{ name }}_events
    where {% if condition %}{{ condition }} and {% endif -%}
      (ml_before is null{% if over %} or {{ mlbridge.shifted('ml_before', over) }} < ml_moment{% endif %})
    union all
    {%- if over %}
    select {{ entity }}{{ mlbridge.shifted(column, over) }} as ml_moment, 2 as ml_phase, -ml_change as ml_change
    from {{ name }}_events
    where {% if condition %}{{ condition }} and {% endif -%}
      (ml_after is null or ml_after > {{ mlbridge.shifted('ml_moment', over) }})
    union all
    {%- endif %}
    {%- endfor %}
    select {{ entity }}ml_moment, 1 as ml_phase, 0 as ml_change
    from ml_asked_{{ number }}
  ),

  {{ name }}_counted as (
    select
      {{ entity }}ml_moment, ml_phase,
      sum(ml_change) over ({{ partition }}order by ml_moment, ml_phase rows between unbounded preceding and current row) as ml_distinct
    from {{ name }}_changes
  ),

  {{ name }} as (
    select * from {{ name }}_counted where ml_phase = 1
  )
{%- endmacro %}

{% macro joined_events(group, at) %}
  {#- The joins by which a row of the spine gets what has been seen at its moment. -#}
  {%- set seen, equal = 'ml_seen_' ~ group.number, [] -%}
  {%- for of_spine in group.entity.values() -%}
    {%- do equal.append('ml_spine.' ~ mlbridge.quoted(of_spine) ~ ' = RELATION.ml_key_' ~ loop.index ~ ' and ') -%}
  {%- endfor -%}
  {%- set equal = equal | join -%}
  {%- if group.sums %}
  left join {{ seen }} on {{ equal | replace('RELATION', seen) }}{{ at }} = {{ seen }}.ml_moment
  {%- endif -%}
  {%- for pick in group.picks.values() %}
  left join ml_numbered_{{ group.number }} as {{ pick.name }}
    on {{ equal | replace('RELATION', pick.name) }}{{ pick.number }} = {{ pick.name }}.{{ pick.kept }}_number
    {#- It follows from the numbers, and lets a reader, and the search for leaks, see it. #}
    and {{ pick.name }}.ml_known_from <= {{ at }}
  {%- endfor -%}
  {%- for distinct in group.distinct.values() %}
  left join {{ distinct.name }} on {{ equal | replace('RELATION', distinct.name) }}{{ at }} = {{ distinct.name }}.ml_moment
  {%- endfor -%}
{% endmacro %}
