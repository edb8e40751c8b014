{{ mlbridge.grant() }}
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key=['model', 'version', 'period', 'window_size', 'window_start'],
    on_schema_change='append_new_columns',
    full_refresh=false,
) }}
-- depends_on: {{ ref('ml_windows') }}
-- depends_on: {{ ref('ml_versions') }}
-- depends_on: {{ ref('ml_metrics') }}
{%- set selects = [] -%}
{%- for name in mlbridge.models() -%}{%- do selects.extend(mlbridge.distributions(name)) -%}{%- endfor %}
{% for each in selects %}
{{ each }}
{{ 'union all' if not loop.last }}
{% else %}
    {{ mlbridge.no_rows() }}
{% endfor %}
