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
  {%- set at = 'ml_spine.' ~ mlbridge.quoted(time) -%}
  {%- set found = [] -%}
  with ml_spine as (
    select * from {{ spine }}
  )
  {%- for view in read -%}
    {%- set name, spine_keys, keys = 'ml_known_' ~ loop.index, [], [] -%}
    {%- for column, of_spine in view.entity.items() -%}
      {%- do spine_keys.append('ml_spine.' ~ mlbridge.quoted(of_spine)) -%}
      {%- do keys.append('ml_key_' ~ loop.index) -%}
    {%- endfor -%}
    {%- do found.append(mlbridge.as_of_join(name, spine_keys, keys, at)) %},

  {{ mlbridge.known_rows(name, view, keys) }}
    {{- found[-1].steps }}
  {%- endfor %}

  {{ mlbridge.call_of(time, read) }}
  select
    ml_spine.*
    {%- for view in read -%}
      {%- set known, limits = 'ml_known_' ~ loop.index, [] -%}
      {#- It follows from the join, which goes by the later of two clocks; here the search for leaks sees the one that counts. -#}
      {%- if view.known_at -%}{%- do limits.append(known ~ '.ml_known_at <= ' ~ at) -%}{%- endif -%}
      {%- if view.max_staleness or view.look_back -%}{%- do limits.append(at ~ ' <= ' ~ known ~ '.ml_known_until') -%}{%- endif -%}
      {%- for output in view.outputs.values() -%}
        {%- set value = known ~ '.' ~ mlbridge.quoted(output) %},
    {{ 'case when ' ~ limits | join(' and ') ~ ' then ' ~ value ~ ' end as ' ~ mlbridge.quoted(output) if limits else value }}
      {%- endfor -%}
    {%- endfor %}
  from ml_spine
  {%- for each in found %}
  {{ each.join }}
  {%- endfor %}
{% endmacro %}

{% macro known_rows(name, view, keys) %}
  {#-
    CTEs that end in `name`: the rows of a view that are the newest of their entity from some moment, `ml_known_from`, on,
    and, with a limit to their age, `ml_known_until` another. A row that comes to count when a newer one counts already
    never is the newest. Of several that happened at one moment the one that became known last counts, then the one
    with the greatest columns.
  -#}
  {%- set columns = [] -%}
  {%- for column in view.outputs.values() -%}{%- do columns.append(mlbridge.quoted(column)) -%}{%- endfor -%}
  {%- set entity = keys | join(', ') -%}
  {{ name }}_rows as (
    {{ mlbridge.view_rows(view, keys) }}
  ),

  {{ name }}_places as (
    select
      *,
      row_number() over (
        partition by {{ entity }}, ml_known_from
        order by {{ mlbridge.newest_first(view) }}
      ) as ml_place
      {%- if view.known_at %},
      max(ml_happened_at) over (partition by {{ entity }} order by ml_known_from) as ml_newest
      {%- endif %}
    from {{ name }}_rows
  ),

  {{ name }} as (
    select
      {{ (keys + columns) | join(', ') }},
      ml_known_from
      {%- if view.known_at %}, ml_known_at{% endif %}
      {%- if view.max_staleness or view.look_back %},
      {{ mlbridge.known_until(view) }} as ml_known_until
      {%- endif %}
    from {{ name }}_places
    where ml_place = 1{% if view.known_at %} and ml_happened_at = ml_newest{% endif %}
  )
{%- endmacro %}

{% macro view_rows(view, keys) %}
  {#-
    A SELECT: the rows of a view that say something of an entity, `keys`, at a moment, with the two clocks and, as `ml_known_from`, the moment
    from which a row counts.
  -#}
  {%- set time = mlbridge.quoted(view.time) -%}
  {%- set known_at = mlbridge.quoted(view.known_at) if view.known_at else none -%}
  {%- set from = mlbridge.shifted(known_at or time, view.embargo) if view.embargo else known_at or time -%}
  select
    {%- for column in view.entity %}
    {{ mlbridge.quoted(column) }} as {{ keys[loop.index0] }},
    {%- endfor %}
    {%- for column, output in view.outputs.items() %}
    {{ mlbridge.quoted(column) }} as {{ mlbridge.quoted(output) }},
    {%- endfor %}
    {%- for column in view.tie_breakers %}
    {{ mlbridge.quoted(column) }} as ml_tie_{{ loop.index }},
    {%- endfor %}
    {{ time }} as ml_happened_at,
    {{ known_at or time }} as ml_known_at,
    {#- What is announced before it happens counts from when it happens. #}
    {{ 'greatest(' ~ from ~ ', ' ~ time ~ ')' if known_at else from }} as ml_known_from
  from {{ view.relation }}
  where {% for column in view.entity %}{{ mlbridge.quoted(column) }} is not null and {% endfor %}{{ time }} is not null
    {%- if known_at %} and {{ known_at }} is not null{% endif %}
{%- endmacro %}

{% macro newest_first(view) %}
  {#-
    The order of the rows of an entity, the one that counts first: the one that happened last, of those the one that became known last, then
    the one with the greatest columns.
  -#}
  {%- set order = ['ml_happened_at'] + (['ml_known_at'] if view.known_at else []) -%}
  {%- for _ in view.tie_breakers -%}{%- do order.append('ml_tie_' ~ loop.index) -%}{%- endfor -%}
  {%- for column in view.outputs.values() if not view.tie_breakers -%}{%- do order.append(mlbridge.quoted(column)) -%}{%- endfor -%}
  {{ return(order | join(' desc nulls last, ') ~ ' desc nulls last') }}
{% endmacro %}

{% macro call_of(time, views) %}
  {#-
    A comment that says in JSON what was asked: `mlbridge serve` gives a key the features that come from an online table within the same
    limits (`mlbridge/lineage/online.py`). A star is written as JSON lets it be, so that no name ends the comment or begins another.
  -#}
  {%- set asked = [] -%}
  {%- for view in views -%}
    {%- do asked.append({
      'view': view.node, 'entity': view.entity, 'columns': view.outputs, 'embargo': view.embargo,
      'max_staleness': view.max_staleness, 'look_back': view.look_back,
    }) -%}
  {%- endfor -%}
  {{ return('/* mlbridge.point_in_time ' ~ tojson({'time': time, 'views': asked}) | replace('*', '\\u002a') ~ ' */') }}
{% endmacro %}

{% macro known_until(view) %}
  {%- set ends = [] -%}
  {%- if view.max_staleness -%}{%- do ends.append(mlbridge.shifted('ml_known_at', view.max_staleness)) -%}{%- endif -%}
  {%- if view.look_back -%}{%- do ends.append(mlbridge.shifted('ml_happened_at', view.look_back)) -%}{%- endif -%}
  {{ return(ends[0] if ends | length == 1 else 'least(' ~ ends | join(', ') ~ ')') }}
{% endmacro %}
