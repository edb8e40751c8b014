{# Which ML models the host declares. #}

{% macro models() %}
  {#- The names of the ML models that the host declares. -#}
  {%- set names = var('mlbridge_models', []) -%}
  {%- if names is string or names is mapping or names is not iterable -%}
    {{ mlbridge.refuse_var('mlbridge_models', 'a list of names such as [late_arrival]', names) }}
  {%- endif -%}
  {%- for name in names -%}
    {%- if name is not string or not name -%}
      {{ mlbridge.refuse_var('mlbridge_models', 'names such as [late_arrival]', names) }}
    {%- elif name in names[:loop.index0] -%}
      {#- Otherwise each of its windows would count every row twice. -#}
      {{ exceptions.raise_compiler_error("vars: mlbridge_models: '" ~ name ~ "' is listed twice. Name each model once") }}
    {%- endif -%}
  {%- endfor -%}
  {{ return(names) }}
{% endmacro %}
