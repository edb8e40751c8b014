{% test recency(model, within) %}
  {#-
    Fails where the newest row of a feature view, or of its online table, became known longer ago than `within`, such as `2 hours`, at the
    clock of the build; also where there is none. When a row became known is what the view's YAML says: `known_at`, else `time`.
  -#}
  {%- if execute -%}
    {%- set tested = mlbridge.node_tested() -%}
    {%- set node = 'mlbridge_online' in (tested.config.meta or {}) and mlbridge.view_of(tested) or tested -%}
    {%- set declared = mlbridge.declared_of(node) -%}
    {%- if not declared.get('time') -%}
      {{ mlbridge.refuse(node.name, 'recency is tested of a feature view or its online table, and the YAML says no `time`: `config: {meta: {mlbridge: '
        ~ '{entity: [customer_id], time: happened_at}}}`.') }}
    {%- endif -%}
    {%- set name = declared.get('known_at') or declared.time -%}
    {%- set span = mlbridge.one_span(node.name, 'recency.within', within) -%}
    {#- With `where` in the test's configuration, `model` is a subquery, of which no type is known. -#}
    {%- set clock = mlbridge.clock_like(adapter.get_relation(tested.database, tested.schema, tested.alias or tested.identifier), [name]) %}
  select newest.known_at
  from (
    select max({{ mlbridge.quoted(name) }}) as known_at
    from {{ model }}
    where {{ mlbridge.quoted(name) }} <= {{ clock }}
  ) as newest
  where newest.known_at is null or {{ mlbridge.shifted('newest.known_at', span) }} < {{ clock }}
  {%- endif -%}
{% endtest %}

{% macro node_tested() %}
  {#- The model, seed, snapshot or source that a data test is of. -#}
  {%- set id = model.depends_on.nodes | first -%}
  {{ return(graph.nodes.get(id) or graph.sources.get(id)) }}
{% endmacro %}
