{# The online table of a feature view: of each entity the row that counts now, which `mlbridge serve` looks up by key. #}

{% macro online(view) %}
  {#-
    A model of this one call: of each entity of a feature view, `ref('weather')`, the row that `point_in_time` would give at the clock of the
    build, with all columns of the view. The view's YAML says `online: true`, and its entity and moments as ever. The table is that of a
    build from nothing, also where rows of the view were changed or deleted; only rows that differ are written.
  -#}
  {{ config(meta={'mlbridge_online': true}, **mlbridge.online_materialization("{{ mlbridge.forget_changed() }}")) }}
  {%- if not execute -%}{{ return('select * from ' ~ view) }}{%- endif -%}
  {{ mlbridge.newest_rows(view) }}
  {%- if is_incremental() and mlbridge.has_shape_of(view) %}
  except
  select {{ mlbridge.quoted_names_of(view) | join(', ') }} from {{ this }}
  {%- endif %}
{% endmacro %}

{% macro forget_changed() %}
  {#-
    The hook before such a model: the statement that deletes the rows which are no more the newest of their entity as they stand, so that the
    model adds those that have come in their place. It deletes all where the view has other columns than before.
  -#}
  {%- if not is_incremental() or flags.EMPTY -%}{{ return('') }}{%- endif -%}
  {%- set view = mlbridge.relation_of_node(mlbridge.view_of(model)) -%}
  {%- if not mlbridge.has_shape_of(view) -%}{{ return(mlbridge.emptying(this)) }}{%- endif -%}
  {%- set entity, same = mlbridge.read_online(view).entity, [] -%}
  {%- for name in mlbridge.column_names_of(view) -%}
    {%- set column = mlbridge.quoted(name) -%}
    {#- An entity is never NULL, and a plain comparison is one that engines find rows by. -#}
    {%- do same.append('ml_newest.' ~ column ~ (' = ' if name in entity else ' is not distinct from ') ~ this ~ '.' ~ column) -%}
  {%- endfor -%}
  {{ return(mlbridge.deletion(this, 'not exists (select 1 from (' ~ mlbridge.newest_rows(view) ~ ') as ml_newest where '
    ~ same | join(' and ') ~ ')')) }}
{% endmacro %}

{% macro view_of(node) %}
  {#- The node of the view that a model with an online table is of: the one it reads whose YAML says `online: true`; none without one. -#}
  {%- for id in node.depends_on.nodes -%}
    {%- set view = graph.nodes.get(id) or (graph.sources or {}).get(id) -%}
    {%- if view and mlbridge.is_online(view) -%}{{ return(view) }}{%- endif -%}
  {%- endfor -%}
  {{ return(none) }}
{% endmacro %}

{% macro relation_of_node(node) %}
  {#- The relation of a model or source that this model reads, as `ref` and `source` find it. -#}
  {%- if node.resource_type == 'source' -%}{{ return(source(node.source_name, node.name)) }}{%- endif -%}
  {{ return(ref(node.package_name, node.name) if not node.version else ref(node.package_name, node.name, v=node.version)) }}
{% endmacro %}

{% macro newest_rows(view) %}
  {#- A SELECT: the row of each entity that counts at the clock of this build, with the view's columns in their order. -#}
  {%- set read, keys = mlbridge.read_online(view), [] -%}
  {%- for _ in read.entity -%}{%- do keys.append('ml_key_' ~ loop.index) -%}{%- endfor -%}
  {%- set renamed = {read.time: 'ml_happened_at'} -%}
  {%- if read.known_at -%}{%- do renamed.update({read.known_at: 'ml_known_at'}) -%}{%- endif -%}
  {%- for name in read.entity -%}{%- do renamed.update({name: keys[loop.index0]}) -%}{%- endfor -%}
  select
    {%- for name in mlbridge.column_names_of(view) %}
    {{ renamed.get(name, mlbridge.quoted(name)) }} as {{ mlbridge.quoted(name) }}{{ ',' if not loop.last }}
    {%- endfor %}
  from (
    select
      *,
      row_number() over (partition by {{ keys | join(', ') }} order by {{ mlbridge.newest_first(read) }}) as ml_place
    from (
      {{ mlbridge.view_rows(read, keys) }}
    ) as ml_rows
    where ml_known_from <= {{ mlbridge.clock_like(view, [read.time, read.known_at]) }}
  ) as ml_places
  where ml_place = 1
{%- endmacro %}

{% macro clock_like(view, moments) %}
  {#- The clock of the build, with a time zone where the moments of a view have one. -#}
  {%- set zones = mlbridge.zones_of(view, moments) -%}
  {{ mlbridge.zones_agree('online', 'its other moment', zones) }}
  {{ return("cast('" ~ mlbridge.as_of() ~ ("+00' as timestamp with time zone)" if zones[0] else "' as timestamp)")) }}
{% endmacro %}

{% macro read_online(view) %}
  {#- What the YAML says of a view that is to have an online table, as `read_view`; its keys are of types that a request can name exactly. -#}
  {%- set node = mlbridge.node_of_view('online', view) -%}
  {%- for name in mlbridge.column_names_of(view) if name.lower().startswith('ml_') -%}
    {{ mlbridge.refuse(node.name, "an online table has all columns of its view, and names that begin with ml_, as '" ~ name ~ "', are the "
      ~ "package's own. Call the column something else.") }}
  {%- endfor -%}
  {%- set read = mlbridge.read_view('online', view) -%}
  {%- if not mlbridge.is_online(node) -%}
    {{ mlbridge.refuse(model.name, "the YAML of " ~ node.name ~ " does not say `online: true`, so no online table is kept of it. Say it "
      ~ 'there, or remove this model.') }}
  {%- endif -%}
  {%- for column in adapter.get_columns_in_relation(view) if column.name in read.entity -%}
    {%- set type = mlbridge.family(column.dtype) -%}
    {%- if type not in ['text', 'integer', 'boolean', 'date', 'uuid'] -%}
      {{ mlbridge.refuse(node.name, "the entity's column '" ~ column.name ~ "' is a " ~ column.dtype ~ ', which cannot be a key of an online '
        ~ 'table: two spellings of one value would be two keys. Allowed: texts, whole numbers, booleans, dates and UUIDs. Cast it.') }}
    {%- endif -%}
  {%- endfor -%}
  {#- Here all columns are taken, in the view's order, so they need not be named a second time to decide between equal rows. -#}
  {{ return(dict(read, tie_breakers=[])) }}
{% endmacro %}

{% macro quoted_names_of(relation) %}
  {%- set found = [] -%}
  {%- for name in mlbridge.column_names_of(relation) -%}{%- do found.append(mlbridge.quoted(name)) -%}{%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{% macro has_shape_of(view) %}
  {#- Whether the table of this model has the columns of the view, of the same types. -#}
  {%- set shapes = [] -%}
  {%- for relation in [this, view] -%}
    {%- set shape = {} -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}{%- do shape.update({column.name: column.data_type}) -%}{%- endfor -%}
    {%- do shapes.append(shape) -%}
  {%- endfor -%}
  {{ return(shapes[0] == shapes[1]) }}
{% endmacro %}

{% macro check_online() %}
  {#- At the start of each dbt command: refuses an `online` in YAML that cannot be followed. -#}
  {%- if mlbridge.is_running() -%}
    {%- for node in graph.nodes.values() | list + graph.sources.values() | list if 'online' in mlbridge.declared_of(node) -%}
      {%- if mlbridge.is_online(node) -%}
        {%- set declared = mlbridge.declared_of(node) -%}
        {%- for key in ['entity', 'time'] if not declared.get(key) -%}
          {{ mlbridge.refuse_key(node.name, 'online', 'an online table has a row of each entity, so the YAML must say `' ~ key ~ '`, too, as in '
            ~ '`mlbridge: {entity: [customer_id], time: happened_at, online: true}`.') }}
        {%- endfor -%}
        {%- if not mlbridge.online_nodes(node.unique_id) -%}
          {{ mlbridge.refuse_key(node.name, 'online', 'no model keeps the online table. Add models/' ~ node.name ~ '_online.sql with the one line `'
            ~ "{{ mlbridge.online(ref('" ~ node.name ~ "')) }}`.") }}
        {%- endif -%}
      {%- endif -%}
    {%- endfor -%}
  {%- endif -%}
{% endmacro %}

{% macro online_nodes(view=none) %}
  {#- The models that call `mlbridge.online`, of one view (its unique id) or of all: a list of nodes of the graph. -#}
  {%- set found = [] -%}
  {%- for node in graph.nodes.values() if node.resource_type == 'model' and 'mlbridge_online' in (node.config.meta or {}) -%}
    {%- if view is none or view in node.depends_on.nodes -%}{%- do found.append(node) -%}{%- endif -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}
