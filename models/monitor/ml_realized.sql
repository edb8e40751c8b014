{{ mlbridge.grant() }}
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key=['model', 'version', 'window_size', 'window_start'],
    on_schema_change='append_new_columns',
    full_refresh=false,
) }}
-- depends_on: {{ ref('ml_windows') }}
-- depends_on: {{ ref('ml_versions') }}
-- depends_on: {{ ref('ml_metrics') }}
{%- set selects = [] -%}
{%- for name in mlbridge.models() -%}{%- do selects.extend(mlbridge.realized(name)) -%}{%- endfor %}
{% for each in selects %}
select * from (
    {{ each }}
) as measured
{{ 'union all' if not loop.last }}
{% else %}
    {{ mlbridge.no_rows() }}
{% endfor %}
