{% test no_alerts(model, about=none, what=none, severities=none) %}
  {#-
    Fails with the alerts of the newest window of this ML model that need a person, of severity `act` or `look`. On its
    `<model>_predictions` node; `severities`, one or a list, asks for others (`note` too, or `act` only): dbt keeps the
    name `severity` for itself. `about` keeps those about `drift` or `performance`, `what` those with that text in `what`.
  -#}
  {%- set asked = mlbridge.severities_asked(severities) -%}
  select *
  from {{ ref('mlbridge', 'ml_alerts') }}
  where
    model = {{ mlbridge.text(mlbridge.tested_model(model)) }}
    and is_current
    and severity in ({{ asked | join(', ') }})
    {%- if about is not none %}
    and about = {{ mlbridge.text(about) }}
    {%- endif %}
    {%- if what is not none %}
    and what like {{ mlbridge.text('%' ~ what ~ '%') }}
    {%- endif %}
{% endtest %}

{% macro severities_asked(severities) %}
  {#- The severities as SQL texts; without an argument those that need a person. -#}
  {%- set asked = ['act', 'look'] if severities is none else [severities] if severities is string else severities -%}
  {%- set texts = [] -%}
  {%- for each in asked -%}
    {%- if each not in mlbridge.severities().values() -%}
      {{ mlbridge.refuse('no_alerts', "`severities` is one of act, look and note, or a list of them, not " ~ each ~ ".") }}
    {%- endif -%}
    {%- do texts.append(mlbridge.text(each)) -%}
  {%- endfor -%}
  {{ return(texts) }}
{% endmacro %}

{% macro tested_model(relation) %}
  {#- The ML model that a test on a node is about; the node must be its predictions. -#}
  {%- set name = relation.identifier -%}
  {%- if execute and not (name.endswith('_predictions') and name[:-12] in mlbridge.models()) -%}
    {{ mlbridge.refuse(name, "this test is for a `<model>_predictions` node. Put it there.") }}
  {%- endif -%}
  {{ return(name[:-12]) }}
{% endmacro %}
