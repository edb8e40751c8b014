{% macro pins() %}
  {#- `model, version` of the versions that the models' YAML pins. -#}
  {%- set pins = [] -%}
  {%- if execute -%}
    {%- for name in mlbridge.models() -%}
      {%- set pin = mlbridge.spec(name).get('pin') -%}
      {%- if pin is not none -%}
        {%- do pins.append('select ' ~ mlbridge.text(name) ~ ' as model, ' ~ (pin | int) ~ ' as version') -%}
      {%- endif -%}
    {%- endfor -%}
  {%- endif -%}
  {{ return(pins | join(' union all ') if pins else 'select model, version from versions where 1 = 0') }}
{% endmacro %}
