{% macro written_into() %}
  {#-
    The nodes that the graph leaves out, by unique id: what reads them is shown as reading their parents. These are the ephemeral ones,
    and the steps of the monitor, which are no tables of the package even if they are kept as views. In one call, because dbt takes
    longer to call a macro than this.
  -#}
  {%- set found = {} -%}
  {%- for id, node in graph.nodes.items() if node.config.get('materialized') == 'ephemeral'
      or node.package_name == 'mlbridge' and node.name.startswith('int_ml_') -%}
    {%- do found.update({id: node}) -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}
