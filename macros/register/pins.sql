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
  {%- if versions is string or versions is mapping or versions is not iterable -%}
    {{ mlbridge.refuse(name ~ '_training', "`mlbridge.retire`: expected a list of versions such as [3], found '" ~ versions ~ "'.") }}
  {%- endif -%}
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

{% macro check_retired(training, retired) %}
  {#- Refuse to retire a version that the logbook does not have; say what is retired. -#}
  {%- if not retired -%}{{ return(none) }}{%- endif -%}
  {%- set there = [] -%}
  {%- for row in run_query("select version from " ~ training ~ " where outcome in ('promoted', 'rejected', 'withheld')").rows -%}
    {%- do there.append(row[0] | int) -%}
  {%- endfor -%}
  {%- for version in retired if version not in there -%}
    {{ mlbridge.refuse(model.name, '`mlbridge.retire`: there is no version ' ~ version ~ '; the logbook has '
      ~ (there | sort | join(', ') or 'none') ~ '. Name one that is there, or take it out of the list.') }}
  {%- endfor -%}
  {%- do log(model.name ~ ': retired, neither scored with nor compared with: version ' ~ retired | sort | join(', '), info=true) -%}
{% endmacro %}
