{# The var `mlbridge_refuse_memory`. #}

{% macro refuses_memory() %}
  {#- Whether too little memory refuses a training, or is only warned of. -#}
  {%- set found = var('mlbridge_refuse_memory', true) -%}
  {%- if found | string | lower not in ['true', 'false'] -%}
    {{ mlbridge.refuse_var('mlbridge_refuse_memory', 'true or false', found) }}
  {%- endif -%}
  {{ return(found | string | lower == 'true') }}
{% endmacro %}
