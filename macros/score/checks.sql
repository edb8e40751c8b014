{# Whether a version can score the split as it is now. #}

{% macro schema_problem(version, types) %}
  {#- Which columns a version needs and the split lacks or has with another type than in training; none where it has them all.
      `types` maps the columns of the split to their types. `Version.schema_difference` in `mlbridge/registry/versions.py` says the same. -#}
  {%- set keys = version.spec.entity + [version.spec.time, version.spec.target] -%}
  {%- set keys = keys | reject('in', types) | list -%}
  {%- if keys -%}
    {{ return(mlbridge.enumerated(keys) ~ ', which its spec names as entity, time or target, is gone from the split') }}
  {%- endif -%}
  {%- set gone, other = [], [] -%}
  {%- for feature in version.features -%}
    {%- if feature.name not in types -%}
      {%- do gone.append("'" ~ feature.name ~ "' is gone") -%}
    {%- elif mlbridge.family(feature.type) != mlbridge.family(types[feature.name]) -%}
      {%- do other.append("'" ~ feature.name ~ "' was " ~ feature.type ~ ' and is ' ~ types[feature.name]) -%}
    {%- endif -%}
  {%- endfor -%}
  {{ return((gone + other) | join(', ') or none) }}
{% endmacro %}

{% macro scoring_problem(version, group, split) %}
  {#- Why a version cannot score the rows of the split; none where it can. -#}
  {%- if version.spec is none or version.features is none -%}
    {{ return('its `spec` or its `features` in the logbook is no JSON. Restore the row from a backup.') }}
  {%- endif -%}
  {%- set schema = mlbridge.schema_problem(version, mlbridge.types_of(split)) -%}
  {%- if schema is not none -%}
    {{ return(schema ~ '. Restore the column in the features node, or build the training node so that a new version learns without it.') }}
  {%- endif -%}
  {%- set found = run_query(mlbridge.key_problem(version.spec.entity, version.spec.time, group, split)).rows -%}
  {{ return(found[0][0] if found else none) }}
{% endmacro %}

{% macro types_of(relation) %}
  {#- The type of each column of a relation, by its name; of a decimal with its precision, which some engines give beside it. -#}
  {%- set types = {} -%}
  {%- for column in adapter.get_columns_in_relation(relation) -%}{%- do types.update({column.name: column.data_type if column.is_numeric() else column.dtype}) -%}{%- endfor -%}
  {{ return(types) }}
{% endmacro %}
