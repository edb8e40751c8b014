{# What must be right about rows before a version scores them as SQL. See `mlbridge/versions.py`, which says the same. #}

{% macro check_keys(version, group, split) %}
  {#- Refuses rows of which nobody could say which they are; `group` is the column by which the split keeps rows together. -#}
  {%- set key = [version.spec.time] + version.spec.entity -%}
  {%- set names = key + ([group] if group else []) -%}
  {%- set counts, quoted = [], [] -%}
  {%- for name in names -%}{%- do counts.append('count(*) - count(' ~ mlbridge.quoted(name) ~ ')') -%}{%- endfor -%}
  {%- for name in key -%}{%- do quoted.append(mlbridge.quoted(name)) -%}{%- endfor -%}
  {%- set missing = run_query('select ' ~ counts | join(', ') ~ ' from ' ~ split).rows[0] -%}
  {%- for name in names -%}
    {%- if missing[loop.index0] > 0 -%}
      {{ mlbridge.refuse(model.name, "'" ~ name ~ "' is NULL in " ~ missing[loop.index0] ~ ' row(s), and it says which row is '
        ~ 'meant, when, or to which group it belongs. Filter those rows out in the features node.') }}
    {%- endif -%}
  {%- endfor -%}
  {%- set columns = quoted | join(', ') -%}
  {%- set asked = 'select ' ~ columns ~ ', count(*) from ' ~ split ~ ' group by ' ~ columns ~ ' having count(*) > 1 limit 1' -%}
  {%- for row in run_query(asked).rows -%}
    {{ mlbridge.refuse(model.name, version.spec.entity | join(', ') ~ ' = ' ~ row.values()[1:-1] | join(', ') ~ ' at ' ~ row[0]
      ~ ' stands in ' ~ row.values()[-1] ~ ' rows; entity and time together must be unique. Remove the duplicates in the features '
      ~ 'node, or add a column to `entity`.') }}
  {%- endfor -%}
{% endmacro %}

{% macro why_not(version, split) %}
  {#- Why a version cannot score: what is gone from the split, or of another type than in training; else none. -#}
  {%- set columns = {} -%}
  {%- for column in adapter.get_columns_in_relation(split) -%}{%- do columns.update({column.name: column}) -%}{%- endfor -%}
  {%- set changes = [] -%}
  {%- for name in version.spec.entity + [version.spec.time, version.spec.target] if name not in columns -%}
    {%- do changes.append("'" ~ name ~ "' is gone") -%}
  {%- endfor -%}
  {%- for feature in version.features -%}
    {%- if feature.name not in columns -%}
      {%- do changes.append("'" ~ feature.name ~ "' is gone") -%}
    {%- elif mlbridge.family(feature.type) != mlbridge.family(columns[feature.name].dtype) -%}
      {%- do changes.append("'" ~ feature.name ~ "' was " ~ feature.type ~ ' and is ' ~ columns[feature.name].data_type) -%}
    {%- endif -%}
  {%- endfor -%}
  {{ return(changes | join(', ') ~ '. Restore the column in the features node, or build the training node so that a new version '
    ~ 'learns without it.' if changes else none) }}
{% endmacro %}

{% macro family(type) %}
  {#- What a type amounts to for a model: other integers, or one more word in an enum, change nothing. -#}
  {%- set plain = type.split('(')[0] | lower | replace(' without time zone', '') | trim -%}
  {%- set column = api.Column.create('feature', plain) -%}
  {%- if column.is_string() or plain == 'enum' -%}{{ return('text') }}{%- endif -%}
  {%- if column.is_integer() or plain in ['tinyint', 'utinyint', 'usmallint', 'uinteger', 'ubigint', 'hugeint', 'uhugeint'] -%}
    {{ return('integer') }}
  {%- endif -%}
  {{ return('float' if column.is_float() else 'decimal' if column.is_numeric() else plain) }}
{% endmacro %}

{% macro is_infinite(number) %}
  {{ return(number ~ " in (cast('inf' as " ~ mlbridge.type_double() ~ "), cast('-inf' as " ~ mlbridge.type_double() ~ '))') }}
{% endmacro %}
