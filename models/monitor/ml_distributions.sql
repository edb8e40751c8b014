{{ mlbridge.history(unique_key=['model', 'version', 'period', 'window_size', 'window_start']) }}
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
