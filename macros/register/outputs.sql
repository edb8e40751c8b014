{#
  How the package's tables are materialized. A host's dbt_project.yml wins over what stands here, so each table says in
  `meta.mlbridge_needs` which settings it works with, and refuses others before anything is lost. `mlbridge doctor` reads the same.
#}

{% macro output(materialized='view', kinds=['view', 'table']) %}
  {#- A table of the package that each build computes anew. -#}
  {{ config(materialized=materialized) }}
  {{ mlbridge.configured({'materialized': kinds}) }}
{% endmacro %}

{% macro from_logbooks(unique_key) %}
  {#-
    A table of what logbooks hold, which can be computed again at any time: as a table, a build adds what is new and replaces the
    rows of the same `unique_key`.
  -#}
  {%- set key = mlbridge.replacing(unique_key) -%}
  {{ config(materialized='incremental', on_schema_change='append_new_columns', **key) }}
  {%- set needs = {'materialized': ['incremental', 'table', 'view']} -%}
  {%- for setting, value in key.items() -%}{%- do needs.update({setting: [value]}) -%}{%- endfor -%}
  {{ mlbridge.configured(needs) }}
{% endmacro %}

{% macro history(unique_key=none) %}
  {#- A table that is added to and cannot be computed again; `unique_key` names the columns whose rows a build replaces. -#}
  {%- set strategy = mlbridge.replacing(unique_key) if unique_key else {} -%}
  {%- set fixed = dict(strategy, materialized='incremental', full_refresh=false) -%}
  {{ config(on_schema_change='append_new_columns', **fixed) }}
  {%- set needs = {} -%}
  {%- for key, value in fixed.items() -%}{%- do needs.update({key: [value]}) -%}{%- endfor -%}
  {{ mlbridge.configured(needs) }}
{% endmacro %}

{% macro configured(needs) %}
  {#- Grants, and the settings that the table works with: `needs` maps each to the values that are allowed. -#}
  {%- do mlbridge.settle_session() -%}
  {{ config(meta={'mlbridge_needs': needs}) }}
  {#- Here, because a package's dbt_project.yml sees no vars of the host. `+grants` of the host are added. -#}
  {%- set roles = mlbridge.granted_roles() -%}
  {%- if roles -%}{{ config(grants={'select': roles}) }}{%- endif -%}
  {#- A unit test of such a table has settings of its own. -#}
  {%- if execute and model.resource_type == 'model' -%}
    {%- for key, values in needs.items() if config.get(key) not in values -%}
      {{ mlbridge.refuse(model.name, '`' ~ key ~ '` is ' ~ config.get(key) ~ ' by the configuration of this project; mlbridge needs '
        ~ values | join(' or ') ~ " here, or what the table keeps would be lost or counted twice. Take the setting back in "
        ~ "dbt_project.yml: name your own project or folders below `models:`, not `mlbridge` or all.") }}
    {%- endfor -%}
  {%- endif -%}
{% endmacro %}
