{# Who may read the package's tables. #}

{% macro granted_roles() %}
  {#-
    The roles that the var `mlbridge_grant_select` names (one, a list, or none), as SQL: dbt grants to what stands in `grants` without
    quoting it, so a name with other characters than letters, digits and _ is quoted here.
  -#}
  {%- set found = var('mlbridge_grant_select', []) -%}
  {%- set roles = [] if found is none else [found] if found is string else found -%}
  {%- if roles is mapping or roles is not iterable or roles | reject('string') | list or '' in roles -%}
    {{ mlbridge.refuse_var('mlbridge_grant_select', 'the name of a role or a list of names', found) }}
  {%- endif -%}
  {%- set names = [] -%}
  {%- for role in roles -%}
    {%- set is_written_as_sql = modules.re.match('([A-Za-z_][A-Za-z0-9_]*|".*"|`.*`)$', role) -%}
    {%- do names.append(role if is_written_as_sql else mlbridge.quoted(role)) -%}
  {%- endfor -%}
  {{ return(names) }}
{% endmacro %}
