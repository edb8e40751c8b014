{% test no_alerts(model, about=none, what=none) %}
  {#-
    Fails with the alerts of the newest window of this ML model. On its `<model>_predictions` node; `about` keeps those about
    `drift` or `performance`, `what` those with that text in `what`.
  -#}
  select *
  from {{ ref('mlbridge', 'ml_alerts') }}
  where
    model = {{ mlbridge.text(mlbridge.tested_model(model)) }}
    and is_current
    {%- if about is not none %}
    and about = {{ mlbridge.text(about) }}
    {%- endif %}
    {%- if what is not none %}
    and what like {{ mlbridge.text('%' ~ what ~ '%') }}
    {%- endif %}
{% endtest %}

{% macro tested_model(relation) %}
  {#- The ML model that a test on a node is about; the node must be its predictions. -#}
  {%- set name = relation.identifier -%}
  {%- if execute and not (name.endswith('_predictions') and name[:-12] in mlbridge.models()) -%}
    {{ mlbridge.refuse(name, "this test is for a `<model>_predictions` node. Put it there.") }}
  {%- endif -%}
  {{ return(name[:-12]) }}
{% endmacro %}
