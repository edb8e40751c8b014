{{ mlbridge.output() }}
{%- set selects = [] -%}
{%- for name in mlbridge.models() -%}
    {%- set figures = mlbridge.request_figures(name) -%}
    {%- if figures -%}{%- do selects.append(figures) -%}{%- endif -%}
{%- endfor %}
{% for each in selects %}
{{ each }}
{{ 'union all' if not loop.last }}
{% else %}
    {{ mlbridge.no_rows() }}
{% endfor %}
