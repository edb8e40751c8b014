{% macro point_in_time(spine, time, views) %}
  {#-
    The rows of `spine` with the columns of feature views as they were known at each row's moment `time`.
    Of each view, the newest row (by its `time`) of the same entity counts that had happened and was known by then; without
    one, the columns are NULL. `views` lists `ref(...)`s, or mappings: see `read_view`.
  -#}
  {%- if not execute -%}{{ return('select * from ' ~ spine) }}{%- endif -%}
  {%- set time = mlbridge.one_name(model.name, 'point_in_time.time', time) -%}
  {%- set read = [] -%}
  {%- for each in mlbridge.list_of_views(views) -%}
    {%- do read.append(mlbridge.read_view('point_in_time.views[' ~ loop.index0 ~ ']', each)) -%}
  {%- endfor -%}
  {{ mlbridge.names_differ(spine, time, read) }}
  {%- set at = 'spine.' ~ mlbridge.quoted(time) -%}
  {%- set found = [] -%}
  with spine as (
    select * from {{ spine }}
  )
  {%- for view in read -%}
    {%- set name, spine_keys, keys = 'known_' ~ loop.index, [], [] -%}
    {%- for column, of_spine in view.entity.items() -%}
      {%- do spine_keys.append('spine.' ~ mlbridge.quoted(of_spine)) -%}
      {%- do keys.append('ml_key_' ~ loop.index) -%}
    {%- endfor -%}
    {%- do found.append(mlbridge.as_of_join(name, spine_keys, keys, at)) %},

  {{ mlbridge.known_rows(name, view, keys) }}
    {{- found[-1].steps }}
  {%- endfor %}

  select
    spine.*
    {%- for view in read -%}
      {%- set known = 'known_' ~ loop.index -%}
      {%- for output in view.outputs.values() %},
    {% if view.max_staleness or view.look_back -%}
      case when {{ at }} <= {{ known }}.ml_known_until then {{ known }}.{{ mlbridge.quoted(output) }} end as {{ mlbridge.quoted(output) }}
    {%- else -%}
      {{ known }}.{{ mlbridge.quoted(output) }}
    {%- endif -%}
      {%- endfor -%}
    {%- endfor %}
  from spine
  {%- for each in found %}
  {{ each.join }}
  {%- endfor %}
{% endmacro %}

{% macro known_rows(name, view, keys) %}
  {#-
    CTEs that end in `name`: the rows of a view that are the newest of their entity from some moment, `ml_known_from`, on,
    and, with a limit to their age, `ml_known_until` another. A row that becomes known when a newer one is known already
    never is the newest. Of several at one moment the one with the greatest time counts, then with the greatest columns.
  -#}
  {%- set time, known_at = mlbridge.quoted(view.time), mlbridge.quoted(view.known_at) if view.known_at else none -%}
  {%- set columns = [] -%}
  {%- for column in view.outputs.values() -%}{%- do columns.append(mlbridge.quoted(column)) -%}{%- endfor -%}
  {%- set entity = keys | join(', ') %}{{ name }}_rows as (
    select
      {%- for column in view.entity %}
      {{ mlbridge.quoted(column) }} as {{ keys[loop.index0] }},
      {%- endfor %}
      {%- for column, output in view.outputs.items() %}
      {{ mlbridge.quoted(column) }} as {{ mlbridge.quoted(output) }},
      {%- endfor %}
      {{ time }} as ml_happened_at,
      {#- What is announced before it happens counts from when it happens. #}
      {{ 'greatest(' ~ known_at ~ ', ' ~ time ~ ')' if known_at else time }} as ml_known_at
    from {{ view.relation }}
    where {% for column in view.entity %}{{ mlbridge.quoted(column) }} is not null and {% endfor %}{{ time }} is not null
      {%- if known_at %} and {{ known_at }} is not null{% endif %}
  ),

  {{ name }}_places as (
    select
      *,
      row_number() over (
        partition by {{ entity }}, ml_known_at
        order by {{ (['ml_happened_at'] + columns) | join(' desc nulls last, ') }} desc nulls last
      ) as ml_place
      {%- if known_at %},
      max(ml_happened_at) over (partition by {{ entity }} order by ml_known_at) as ml_newest
      {%- endif %}
    from {{ name }}_rows
  ),

  {{ name }} as (
    select
      {{ (keys + columns) | join(', ') }},
      {{ mlbridge.after('ml_known_at', view.embargo) if view.embargo else 'ml_known_at' }} as ml_known_from
      {%- if view.max_staleness and view.look_back %},
      case
        when {{ mlbridge.after('ml_known_at', view.max_staleness) }} < {{ mlbridge.after('ml_happened_at', view.look_back) }}
          then {{ mlbridge.after('ml_known_at', view.max_staleness) }}
        else {{ mlbridge.after('ml_happened_at', view.look_back) }}
      end as ml_known_until
      {%- elif view.max_staleness %},
      {{ mlbridge.after('ml_known_at', view.max_staleness) }} as ml_known_until
      {%- elif view.look_back %},
      {{ mlbridge.after('ml_happened_at', view.look_back) }} as ml_known_until
      {%- endif %}
    from {{ name }}_places
    where ml_place = 1{% if known_at %} and ml_happened_at = ml_newest{% endif %}
  )
{%- endmacro %}

{% macro after(moment, duration) %}
  {#- A moment, some minutes, hours, days or weeks later. -#}
  {%- set parts = duration.split(' ') -%}
  {{ return(mlbridge.later(parts[1].rstrip('s'), parts[0], moment)) }}
{% endmacro %}
