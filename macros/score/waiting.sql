{# The rows that wait for a version, and what must be right about them. See `mlbridge/score.py`, which says the same. #}

{% macro waiting_rows(version, spec, split) %}
  {#-
    The rows of the split that neither fit nor selection of the version saw and that it has not scored yet, with their key
    and moment as `ml entity` and `ml time`. Rows without an outcome were never trained on. Of the others, today's words
    tell only while rows are dealt as they were then; by time they never do, because cut-offs move on.
  -#}
  {%- set time = 'cast(split_rows.' ~ mlbridge.quoted(version.spec.time) ~ ' as timestamp)' -%}
  {%- set key = mlbridge.key_as_text(version.spec.entity, 'split_rows') -%}
  {%- set open = 'split_rows.' ~ mlbridge.quoted(version.spec.target) ~ ' is null' -%}
  {%- if version.holdout_from is not none -%}
    {%- set unseen = '(' ~ open ~ ' or ' ~ time ~ ' >= ' ~ "cast('" ~ version.holdout_from ~ "' as timestamp)" ~ ')' -%}
  {%- elif mlbridge.same_question(version.spec, spec) -%}
    {%- set unseen = "split_rows.ml_split in ('test', 'score')" -%}
  {%- else -%}
    {%- set unseen = open -%}
  {%- endif -%}
  {%- set before = load_cached_relation(this) -%}
  select split_rows.*, {{ key }} as {{ mlbridge.quoted('ml entity') }}, {{ time }} as {{ mlbridge.quoted('ml time') }}
  from {{ split }} as split_rows
  where {{ unseen }}
  {%- if before is not none %}
    and not exists (
      select 1
      from {{ before }} as before
      where before.entity = {{ key }} and before.time = {{ time }} and before.version = {{ version.number }}
    )
  {%- endif -%}
{%- endmacro %}

{% macro same_question(before, now) %}
  {#- Whether the same outcome of the same rows at the same moment is asked, and rows are dealt as they were. -#}
  {%- set differ = [] -%}
  {%- for key in ['task', 'target', 'time'] if before[key] != now[key] -%}{%- do differ.append(key) -%}{%- endfor -%}
  {%- for key in mlbridge.split_defaults() if before.split.get(key) != now.split[key] -%}{%- do differ.append(key) -%}{%- endfor -%}
  {{ return(not differ and before.entity | list == now.entity | list) }}
{% endmacro %}

{% macro check_keys(version, split) %}
  {#- Refuses rows of which nobody could say which they are. -#}
  {%- set names = [version.spec.time] + version.spec.entity -%}
  {%- set counts, key = [], [] -%}
  {%- for name in names -%}
    {%- do counts.append('count(*) - count(' ~ mlbridge.quoted(name) ~ ')') -%}
    {%- do key.append(mlbridge.quoted(name)) -%}
  {%- endfor -%}
  {%- for missing in run_query('select ' ~ counts | join(', ') ~ ' from ' ~ split).rows[0] -%}
    {%- if missing > 0 -%}
      {{ mlbridge.refuse(model.name, "'" ~ names[loop.index0] ~ "' is NULL in " ~ missing ~ ' row(s), and it says which row is meant, '
        ~ 'or when. Filter those rows out in the features node.') }}
    {%- endif -%}
  {%- endfor -%}
  {%- set asked = 'select ' ~ key | join(', ') ~ ', count(*) from ' ~ split ~ ' group by ' ~ key | join(', ') ~ ' having count(*) > 1' -%}
  {%- for row in run_query(asked ~ ' limit 1').rows -%}
    {{ mlbridge.refuse(model.name, version.spec.entity | join(', ') ~ ' = ' ~ row.values()[1:-1] | join(', ') ~ ' at ' ~ row[0]
      ~ ' stands in ' ~ row.values()[-1] ~ ' rows; entity and time together must be unique. Remove the duplicates in the features '
      ~ 'node, or add a column to `entity`.') }}
  {%- endfor -%}
{% endmacro %}

{% macro check_schema(version, split) %}
  {#- Refuses rows whose features are gone or of another type than in training. -#}
  {%- set columns = {} -%}
  {%- for column in adapter.get_columns_in_relation(split) -%}{%- do columns.update({column.name: column}) -%}{%- endfor -%}
  {%- set problems = [] -%}
  {%- for name in version.spec.entity + [version.spec.time, version.spec.target] if name not in columns -%}
    {%- do problems.append("'" ~ name ~ "' is gone") -%}
  {%- endfor -%}
  {%- for feature in version.features -%}
    {%- if feature.name not in columns -%}
      {%- do problems.append("'" ~ feature.name ~ "' is gone") -%}
    {%- elif mlbridge.family(api.Column.create(feature.name, feature.type.split('(')[0])) != mlbridge.family(columns[feature.name]) -%}
      {%- do problems.append("'" ~ feature.name ~ "' was " ~ feature.type ~ ' and is ' ~ columns[feature.name].data_type) -%}
    {%- endif -%}
  {%- endfor -%}
  {%- if problems -%}
    {{ mlbridge.refuse(model.name, 'version ' ~ version.number ~ ' cannot score: ' ~ problems | join(', ') ~ '. Restore the column in '
      ~ 'the features node, or build the training node so that a new version learns without it.') }}
  {%- endif -%}
{% endmacro %}

{% macro family(column) %}
  {#- What a type amounts to for a model: other integers, or one more word in an enum, change nothing. -#}
  {%- set type = column.dtype.split('(')[0] | lower | replace(' without time zone', '') -%}
  {%- set of_numbers = 'integer' if column.is_integer() else 'number' if column.is_number() else type -%}
  {{ return('text' if column.is_string() or type == 'enum' else of_numbers) }}
{% endmacro %}
