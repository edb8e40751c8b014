{% test no_alerts(model, about=none, what=none, severities=none) %}
  {#- The argument is not called `severity`, which dbt uses for itself. -#}
  {%- set selected = mlbridge.selected_severities(severities) -%}
  select *
  from {{ ref('mlbridge', 'ml_alerts') }}
  where
    model = {{ mlbridge.text(mlbridge.tested_model(model)) }}
    and is_current
    and severity in ({{ selected | join(', ') }})
    {%- if about is not none %}
    and about = {{ mlbridge.text(about) }}
    {%- endif %}
    {%- if what is not none %}
    and what like {{ mlbridge.text('%' ~ what ~ '%') }}
    {%- endif %}
{% endtest %}

{% macro selected_severities(severities) %}
  {#- The selected severities as SQL literals; by default `act` and `look`. -#}
  {%- set selected = ['act', 'look'] if severities is none else [severities] if severities is string else severities -%}
  {%- set texts = [] -%}
  {%- for each in selected -%}
    {%- if each not in mlbridge.severities().values() -%}
      {{ mlbridge.refuse('no_alerts', "`severities` is one of act, look and note, or a list of them, not " ~ each ~ ".") }}
    {%- endif -%}
    {%- do texts.append(mlbridge.text(each)) -%}
  {%- endfor -%}
  {{ return(texts) }}
{% endmacro %}

{% macro tested_model(relation) %}
  {#- The ML model whose predictions node a test is declared on; an error on any other node. -#}
  {%- set name = relation.identifier -%}
  {%- if execute and not (name.endswith('_predictions') and name[:-12] in mlbridge.models()) -%}
    {{ mlbridge.refuse(name, "this test is for a `<model>_predictions` node. Put it there.") }}
  {%- endif -%}
  {{ return(name[:-12]) }}
{% endmacro %}
