{{ mlbridge.history(unique_key=['model', 'version', 'window_size', 'window_start']) }}
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
