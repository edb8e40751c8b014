{% macro pins() %}
  {#- The version that each model's YAML pins, by model; models without a pin are left out. -#}
  {%- set pins = {} -%}
  {%- if execute -%}
    {%- for name in mlbridge.models() -%}
      {%- set pin = mlbridge.spec(name).get('pin') -%}
      {%- if pin is not none -%}{%- do pins.update({name: pin | int}) -%}{%- endif -%}
    {%- endfor -%}
  {%- endif -%}
  {{ return(pins) }}
{% endmacro %}
