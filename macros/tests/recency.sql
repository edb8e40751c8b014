{% test recency(model, within) %}
  {#-
    Fails where the newest row of a feature view, or of its online table, became known longer ago than `within`, such as `2 hours`, at the
    clock of the build; also where there is none. When a row became known is what the view's YAML says: `known_at`, else `time`.
  -#}
  {%- if execute -%}
    {%- set node = mlbridge.view_tested(model) -%}
    {%- set declared = mlbridge.declared_of(node) -%}
    {%- if not declared.get('time') -%}
      {{ mlbridge.refuse(node.name, 'recency is tested of a feature view or its online table, and the YAML says no `time`: `config: {meta: {mlbridge: '
        ~ '{entity: [customer_id], time: happened_at}}}`.') }}
    {%- endif -%}
    {%- set name = declared.get('known_at') or declared.time -%}
    {%- set span = mlbridge.one_span(node.name, 'recency.within', within) -%}
    {%- set clock = mlbridge.clock_like(model, [name]) %}
  select newest.known_at
  from (
    select max({{ mlbridge.quoted(name) }}) as known_at
    from {{ model }}
    where {{ mlbridge.quoted(name) }} <= {{ clock }}
  ) as newest
  where newest.known_at is null or {{ mlbridge.shifted('newest.known_at', span) }} < {{ clock }}
  {%- endif -%}
{% endtest %}

{% macro view_tested(relation) %}
  {#- The node that is tested; of an online table, its view. -#}
  {%- set node = mlbridge.node_read_here(relation) -%}
  {%- if 'mlbridge_online' in (node.config.meta or {}) -%}
    {%- set id = node.depends_on.nodes | first -%}
    {{ return(graph.nodes.get(id) or graph.sources.get(id)) }}
  {%- endif -%}
  {{ return(node) }}
{% endmacro %}
