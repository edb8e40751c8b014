{# Rows that a version cannot score: which, and in which words. See `mlbridge/unscored.py`, which says the same. #}

{% macro oddity(version, split, table, kind) %}
  {#-
    What keeps a row of the split from a prediction: of kind `infinite` always, of kind `large` (finite, but beyond a 32-bit
    float) where the SELECT gives none. An SQL expression; NULL where nothing does.
  -#}
  {%- set types, cases = {}, [] -%}
  {%- for column in adapter.get_columns_in_relation(split) -%}{%- do types.update({column.name: column.dtype}) -%}{%- endfor -%}
  {%- for feature in version.features if mlbridge.family(types.get(feature.name, '')) == 'float' -%}
    {%- set number = 'cast(' ~ table ~ '.' ~ mlbridge.quoted(feature.name) ~ ' as ' ~ mlbridge.type_double() ~ ')' -%}
    {%- set test, words = (mlbridge.is_infinite(number), 'is infinite') if kind == 'infinite' else
      (mlbridge.is_large(number), "is beyond 3.4e38, which the version's estimator does not take") -%}
    {%- do cases.append('when ' ~ test ~ ' then ' ~ mlbridge.text("the feature '" ~ feature.name ~ "' " ~ words)) -%}
  {%- endfor -%}
  {{ return('cast(' ~ ('case ' ~ cases | join(' ') ~ ' end' if cases else 'null') ~ ' as ' ~ dbt.type_string() ~ ')') }}
{% endmacro %}

{% macro oddities(version, split, table) %}
  {{ return('coalesce(' ~ mlbridge.oddity(version, split, table, 'infinite') ~ ', '
    ~ mlbridge.oddity(version, split, table, 'large') ~ ')') }}
{% endmacro %}

{% macro is_large(number) %}
  {#- From half a step beyond the greatest 32-bit float on; NaN counts as greater than infinity. -#}
  {{ return('abs(' ~ number ~ ') >= 3.4028235677973366e38 and abs(' ~ number ~ ") < cast('inf' as " ~ mlbridge.type_double() ~ ')') }}
{% endmacro %}

{% macro odd_rows(version, split, rows) %}
  {#- The rows that wait of which something is odd, by key and moment. -#}
  select
    waiting.{{ mlbridge.quoted('ml entity') }} as entity,
    waiting.{{ mlbridge.quoted('ml time') }} as time,
    {{ mlbridge.oddity(version, split, 'waiting', 'infinite') }} as infinite,
    {{ mlbridge.oddity(version, split, 'waiting', 'large') }} as large
  from {{ rows }} as waiting
  where {{ mlbridge.oddities(version, split, 'waiting') }} is not null
{%- endmacro %}

{% macro warn_of_unscored(version, selected) %}
  {#- Says how many rows get no prediction, why, and which are the first; `selected` gives rows of the predictions. -#}
  {%- set asked -%}
    select not_scored_because, entity from ({{ selected }}) as told
    where not_scored_because is not null
    order by time, entity
  {%- endset -%}
  {%- set found, parts, rows = {}, [], run_query(asked).rows -%}
  {%- for row in rows -%}{%- do found.setdefault(row[0], []).append(row[1]) -%}{%- endfor -%}
  {%- for why, entities in found | dictsort -%}
    {%- set more = ' and ' ~ '{:,}'.format(entities | length - 3) ~ ' more' if entities | length > 3 else '' -%}
    {%- do parts.append(why ~ ' (' ~ entities[:3] | join(', ') ~ more ~ ')') -%}
  {%- endfor -%}
  {%- if parts -%}
    {%- do exceptions.warn(model.name ~ ': version ' ~ version.number ~ ' gives no prediction for ' ~ '{:,}'.format(rows | length)
      ~ ' row(s): ' ~ parts | join('; ') ~ '. A value that cannot be known should be NULL: mend it in the features node, and a later '
      ~ 'build scores them.') -%}
  {%- endif -%}
{% endmacro %}

{% macro scored_where_possible(name, version, split, rows) %}
  {#- As rows of the predictions, what the version says of rows of the split; those without a prediction are warned of. -#}
  {%- set odd = mlbridge.odd_rows(version, split, '(' ~ rows ~ ')') -%}
  {%- if not run_query('select 1 from (' ~ odd ~ ') as odd limit 1').rows -%}
    {{ return(mlbridge.scored_by_sql(name, version, rows, none)) }}
  {%- endif -%}
  {%- set key = "odd.entity = waiting." ~ mlbridge.quoted('ml entity') ~ " and odd.time = waiting." ~ mlbridge.quoted('ml time') -%}
  {%- set only = 'select waiting.* from (' ~ rows ~ ') as waiting inner join (' ~ odd ~ ') as odd on ' ~ key -%}
  {%- set joined = mlbridge.odd_rows(version, split, 'ml_split_rows') -%}
  {%- do mlbridge.warn_of_unscored(version, mlbridge.scored_by_sql(name, version, only, joined)) -%}
  {{ return(mlbridge.scored_by_sql(name, version, rows, joined)) }}
{% endmacro %}
