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

{% macro retired(name) %}
  {#- The versions of a model that its YAML takes out of scoring and of every comparison. -#}
  {%- set versions = mlbridge.spec(name).get('retire') or [] -%}
  {%- for version in versions if version is not integer -%}
    {{ mlbridge.refuse(name ~ '_training', "`mlbridge.retire`: expected the numbers of versions, found '" ~ version ~ "'.") }}
  {%- endfor -%}
  {{ return(versions) }}
{% endmacro %}

{% macro is_retired(name) %}
  {#- A condition on the column `version` of a model's logbook. -#}
  {%- set versions = mlbridge.retired(name) -%}
  {{ return('version in (' ~ versions | join(', ') ~ ')' if versions else '1 = 0') }}
{% endmacro %}
