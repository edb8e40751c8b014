{#
  A feature view: a model whose rows say something of an entity at a time. Its YAML says so once, below `config: {meta: {mlbridge: ...}}`:
  `entity` (columns), `time` (when it happened) and optionally `known_at` (when it became known).
#}

{% macro list_of_views(views) %}
  {%- if views is string or views is mapping or views is not sequence or not views -%}
    {{ mlbridge.refuse(model.name, 'point_in_time: views: expected a list such as [ref(\'customer_history\')], found '
      ~ mlbridge.shown(views) ~ '.') }}
  {%- endif -%}
  {{ return(views) }}
{% endmacro %}

{% macro read_view(path, found) %}
  {#-
    What a call and the YAML say of a view. A call names the relation, or a mapping with it as `view` and any of
    `columns` (by default all but the entity's and the moments), `entity` (the view's column to the spine's, where their names differ),
    `prefix` (of the columns in the result), and durations such as '2 days': `embargo` (how long after it became known
    a row counts), `max_staleness` (how long after it became known it counts no more), `look_back` (how long after it happened).
  -#}
  {#- A relation of dbt is a mapping as well. #}
  {%- set asked = found if found is mapping and found.identifier is not defined else {'view': found} -%}
  {%- do mlbridge.known_keys(model.name, path, asked,
    ['view', 'columns', 'entity', 'prefix', 'embargo', 'max_staleness', 'look_back']) -%}
  {%- set node = mlbridge.node_of_view(path, asked.get('view')) -%}
  {%- set declared = mlbridge.declared_of(node) -%}
  {%- if not declared.get('entity') or not declared.get('time') -%}
    {{ mlbridge.refuse(node.name, 'a feature view says in its YAML what its rows are about and when they happened: `config: {meta: '
      ~ '{mlbridge: {entity: [customer_id], time: happened_at}}}`, and with `known_at` when they became known.') }}
  {%- endif -%}
  {%- set keys = mlbridge.names_of(node.name, 'entity', declared.entity) -%}
  {%- set time = mlbridge.one_name(node.name, 'time', declared.time) -%}
  {%- set known_at = none if declared.get('known_at') is none else mlbridge.one_name(node.name, 'known_at', declared.known_at) -%}
  {%- set there = mlbridge.column_names_of(asked.view) -%}
  {%- for name in keys + [time] + ([known_at] if known_at else []) -%}
    {{ mlbridge.has_column(node.name, 'the YAML of the feature view', name, there) }}
  {%- endfor -%}
  {%- set columns = mlbridge.names_of(model.name, path ~ '.columns', asked.get('columns')) -%}
  {%- if not columns and (asked.get('columns') is not none or not there and load_relation(asked.view) is not none) -%}
    {{ mlbridge.refuse_key(model.name, path ~ '.columns', 'name the columns of ' ~ node.name ~ ' that are wanted'
      ~ ('.' if there else '; which there are, the engine does not say.')) }}
  {%- endif -%}
  {%- for name in columns -%}{{ mlbridge.has_column(model.name, path ~ '.columns', name, there) }}{%- endfor -%}
  {%- set prefix = asked.get('prefix') or '' -%}
  {%- set outputs = {} -%}
  {%- for name in columns or there if columns or name not in keys + [time, known_at] -%}
    {%- if (prefix ~ name).lower().startswith('ml_') -%}
      {{ mlbridge.refuse(model.name, "point_in_time: a column would be called '" ~ prefix ~ name ~ "'; names that begin with ml_ are "
        ~ "the package's own. Give the view another `prefix`.") }}
    {%- endif -%}
    {%- do outputs.update({name: prefix ~ name}) -%}
  {%- endfor -%}
  {{ mlbridge.none_is_known_later(node, path, outputs.keys() | list + keys + [time], [time, known_at]) }}
  {%- set read = {
    'relation': asked.view, 'entity': mlbridge.keys_of_view(path, keys, asked.get('entity')), 'time': time, 'known_at': known_at,
    'outputs': outputs, 'node': node.unique_id, 'tie_breakers': [],
  } -%}
  {#- An online table holds one row for all who ask, so all columns of its view decide, and not only those of a call. -#}
  {%- if mlbridge.is_online(node) -%}
    {%- for column in adapter.get_columns_in_relation(asked.view) if column.dtype | lower in mlbridge.types_without_order() -%}
      {{ mlbridge.refuse(node.name, "its column '" ~ column.name ~ "' is a " ~ column.dtype ~ ', which has no order here, and where `online: true` '
        ~ 'is said all columns decide between rows of the same moments. Cast it to text, or leave it out of the view.') }}
    {%- endfor -%}
    {%- do read.update(tie_breakers=there | reject('in', keys + [time, known_at]) | list) -%}
  {%- endif -%}
  {%- for key in ['embargo', 'max_staleness', 'look_back'] -%}
    {%- do read.update({key: none if asked.get(key) is none else mlbridge.one_span(model.name, path ~ '.' ~ key, asked[key])}) -%}
  {%- endfor -%}
  {{ return(read) }}
{% endmacro %}

{% macro is_online(node) %}
  {#- Whether the YAML of a view says that it has an online table. -#}
  {%- set found = mlbridge.declared_of(node).get('online') -%}
  {{ return(false if found is none else mlbridge.one_flag(node.name, 'online', found)) }}
{% endmacro %}

{% macro node_of_view(path, relation) %}
  {#- The node behind a `ref(...)` of this model, which must be there and have rows of its own. -#}
  {%- if relation is not defined or not relation.identifier -%}
    {{ mlbridge.refuse_key(model.name, path, 'expected a model, as ref(\'customer_history\'), found ' ~ mlbridge.shown(relation) ~ '.') }}
  {%- elif relation.identifier.startswith('__dbt__cte__') -%}
    {{ mlbridge.refuse_key(model.name, path, relation.identifier[12:] ~ ' is ephemeral here, and a feature view is a table or a view. In a '
      ~ 'unit test of dbt, override the macro of mlbridge that this model calls.') }}
  {%- endif -%}
  {%- set node = mlbridge.node_read_here(relation) -%}
  {%- if node is none -%}
    {{ mlbridge.refuse_key(model.name, path, 'no model that this one reads is called ' ~ mlbridge.shown(relation.identifier)
      ~ '; a feature view is a model, a seed, a snapshot or a source.') }}
  {%- endif -%}
  {{ return(node) }}
{% endmacro %}

{% macro node_read_here(relation) %}
  {#- The node behind a `ref(...)` of this model, or none: of two with one alias that of the same schema. -#}
  {%- set name, nodes = relation.identifier | replace('__dbt__cte__', '') | lower, [] -%}
  {%- for id in model.depends_on.nodes -%}
    {%- set node = graph.nodes.get(id) or (graph.sources or {}).get(id) -%}
    {%- if node and (node.alias or node.identifier or node.name) | lower == name -%}
      {%- do nodes.insert(0 if node.schema == relation.schema else nodes | length, node) -%}
    {%- endif -%}
  {%- endfor -%}
  {{ return(nodes[0] if nodes else none) }}
{% endmacro %}

{% macro is_spine(call, found) %}
  {%- if not (found is string and found != '' or found is not string and found and found.identifier) -%}
    {{ mlbridge.refuse_key(model.name, call ~ '.spine', "expected the rows to be completed, as ref('orders') or the name of a CTE, found "
      ~ mlbridge.shown(found) ~ '.') }}
  {%- endif -%}
{% endmacro %}

{% macro is_in_warehouse(relation) %}
  {#- Whether the warehouse can be asked for the columns: of a CTE, and of an ephemeral model, it knows nothing. -#}
  {{ return(relation is not string and not relation.identifier.startswith('__dbt__cte__')) }}
{% endmacro %}

{% macro declared_of(node) %}
  {#- What the YAML of a node, or of a column, says to mlbridge: in its `meta`, below `config` or, as before dbt 1.10, beside it. -#}
  {%- set found = (((node.config or {}).meta or {}).get('mlbridge') or (node.meta or {}).get('mlbridge')) if node else none -%}
  {{ return(found if found is mapping else {}) }}
{% endmacro %}

{% macro none_is_known_later(node, path, columns, clocks) %}
  {#- Refuses columns whose own `known_at` is none of the moments by which the rows count: they would be read before they are known. -#}
  {%- set columns, clocks = columns | map('lower') | list, clocks | select('string') | map('lower') | list -%}
  {%- for column in ((node.columns if node else none) or {}).values() if column.name | lower in columns -%}
    {%- set known_at = mlbridge.declared_of(column).get('known_at') -%}
    {%- if known_at is string and known_at | lower not in clocks -%}
      {{ mlbridge.refuse_key(model.name, path, "the YAML of " ~ node.name ~ " says that '" ~ column.name ~ "' is known at '" ~ known_at
        ~ "', and the rows count from '" ~ clocks[-1] ~ "'. Say `known_at: " ~ known_at ~ '` of the rows, or leave the column out'
        ~ (' of the view.' if path == 'online' else '.')) }}
    {%- endif -%}
  {%- endfor -%}
{% endmacro %}

{% macro keys_of_view(path, keys, mapped) %}
  {#- The spine's column for each column of the view's entity; by default the one of the same name. -#}
  {%- set mapped = mlbridge.known_keys(model.name, path ~ '.entity', mapped, keys) -%}
  {%- set found = {} -%}
  {%- for key in keys -%}
    {%- do found.update({key: mlbridge.one_name(model.name, path ~ '.entity.' ~ key, mapped.get(key, key))}) -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{% macro column_names_of(relation) %}
  {{ return(adapter.get_columns_in_relation(relation) | map(attribute='name') | list) }}
{% endmacro %}

{% macro zones_of(relation, names) %}
  {#- Whether these columns of a relation hold moments with a time zone: one answer for all that are alike. -#}
  {%- set found = [] -%}
  {%- for column in adapter.get_columns_in_relation(relation) if column.name in names -%}
    {%- set type = column.dtype | lower -%}
    {%- do found.append('with time zone' in type or type.startswith('timestamptz') or type.startswith('timestamp_tz')) -%}
  {%- endfor -%}
  {{ return(found | unique | list) }}
{% endmacro %}

{% macro zones_agree(call, whose, zones) %}
  {%- if zones | unique | list | length > 1 -%}
    {{ mlbridge.refuse(model.name, call ~ ': of the moments of the spine and ' ~ whose ~ ' some have a time zone and some have none, '
      ~ 'so that the zone of the session decides what is known. Convert them to timestamps without zone, in UTC.') }}
  {%- endif -%}
{% endmacro %}

{% macro has_column(node, where, name, there) %}
  {#- A relation that is not built yet has no columns, and nothing is said of it. -#}
  {%- if there and name not in there -%}
    {{ mlbridge.refuse(node, where ~ " names the column '" ~ name ~ "', which is not there." ~ mlbridge.nearest(name, there)) }}
  {%- endif -%}
{% endmacro %}

{% macro names_differ(spine, time, views) %}
  {#- No two columns of the result have one name, and the spine has what the views need of it. -#}
  {{ mlbridge.is_spine('point_in_time', spine) }}
  {%- set there = mlbridge.column_names_of(spine) if mlbridge.is_in_warehouse(spine) else [] -%}
  {{ mlbridge.has_column(model.name, 'point_in_time: `time`', time, there) }}
  {%- set zones = mlbridge.zones_of(spine, [time]) if there else [] -%}
  {%- for view in views -%}
    {{ mlbridge.zones_agree('point_in_time', 'of views[' ~ loop.index0 ~ ']', zones + mlbridge.zones_of(view.relation, [view.time, view.known_at])) }}
  {%- endfor -%}
  {%- set taken = there | map('lower') | list -%}
  {%- for view in views -%}
    {%- set keys = 'point_in_time: the entity of views[' ~ loop.index0 ~ '] in the spine' -%}
    {%- for name in view.entity.values() -%}{{ mlbridge.has_column(model.name, keys, name, there) }}{%- endfor -%}
    {%- for name in view.outputs.values() -%}
      {%- if name | lower in taken -%}
        {{ mlbridge.refuse(model.name, "point_in_time: two columns would be called '" ~ name ~ "'. Give the view "
          ~ "`columns` without it, or a `prefix`.") }}
      {%- endif -%}
      {%- do taken.append(name | lower) -%}
    {%- endfor -%}
  {%- endfor -%}
{% endmacro %}
