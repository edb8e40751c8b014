{# Rows that a version cannot score, and why. `mlbridge/scoring/unscorable_rows.py` has the same rules and texts. #}

{% macro unscorable_reason_of(version, types, table, kind) %}
  {#-
    Why a row of the split is unscorable, as an SQL expression; NULL where it is not. Kind `infinite` always is; kind `large`
    (finite, but beyond a 32-bit float) only where the SELECT gives no prediction. `types` are those of the split's columns.
  -#}
  {%- set cases = [] -%}
  {%- for feature in version.features if mlbridge.family(types.get(feature.name, '')) == 'float' -%}
    {%- set number = 'cast(' ~ table ~ '.' ~ mlbridge.quoted(feature.name) ~ ' as ' ~ mlbridge.type_double() ~ ')' -%}
    {%- set test, problem = (mlbridge.is_infinite(number), 'is infinite') if kind == 'infinite' else
      (mlbridge.is_large(number), "is beyond 3.4e38, which the version's estimator does not take") -%}
    {%- do cases.append('when ' ~ test ~ ' then ' ~ mlbridge.text("the feature '" ~ feature.name ~ "' " ~ problem)) -%}
  {%- endfor -%}
  {{ return('cast(' ~ ('case ' ~ cases | join(' ') ~ ' end' if cases else 'null') ~ ' as ' ~ dbt.type_string() ~ ')') }}
{% endmacro %}

{% macro unscorable_reason(version, types, table) %}
  {{ return('coalesce(' ~ mlbridge.unscorable_reason_of(version, types, table, 'infinite') ~ ', '
    ~ mlbridge.unscorable_reason_of(version, types, table, 'large') ~ ')') }}
{% endmacro %}

{% macro unscorable_rows(version, types, rows) %}
  {#- The waiting rows that may be unscorable, by key and time. -#}
  select
    waiting.{{ mlbridge.quoted('ml entity') }} as entity,
    waiting.{{ mlbridge.quoted('ml time') }} as time,
    {{ mlbridge.unscorable_reason_of(version, types, 'waiting', 'infinite') }} as infinite,
    {{ mlbridge.unscorable_reason_of(version, types, 'waiting', 'large') }} as large
  from {{ rows }} as waiting
  where {{ mlbridge.unscorable_reason(version, types, 'waiting') }} is not null
{%- endmacro %}

{% macro warn_of_unscored(version, selected) %}
  {#- Says how many rows get no prediction, why, and which are the first; `selected` gives rows of the predictions. -#}
  {%- set query -%}
    select not_scored_because, entity from ({{ selected }}) as selected
    where not_scored_because is not null
    order by time, entity
  {%- endset -%}
  {%- set found, parts, rows = {}, [], run_query(query).rows -%}
  {%- for row in rows -%}{%- do found.setdefault(row[0], []).append(row[1]) -%}{%- endfor -%}
  {%- for why, entities in found | dictsort -%}
    {%- set more = ' and ' ~ mlbridge.grouped(entities | length - 3) ~ ' more' if entities | length > 3 else '' -%}
    {%- do parts.append(why ~ ' (' ~ entities[:3] | join(', ') ~ more ~ ')') -%}
  {%- endfor -%}
  {%- if parts -%}
    {%- do exceptions.warn(model.name ~ ': version ' ~ version.number ~ ' gives no prediction for ' ~ mlbridge.grouped(rows | length)
      ~ ' row(s): ' ~ parts | join('; ') ~ '. Correct these values in the features node; a later build then scores the rows.') -%}
  {%- endif -%}
{% endmacro %}

{% macro refused_rows(version, rows) %}
  {#- The rows that the version's SELECT refuses. -#}
  {{ return('select 1 from (with ml_split_rows as (' ~ rows ~ ') select answer.* from (' ~ version.sql ~ ') as answer) as answer '
    ~ 'where answer.not_scored_because is not null') }}
{% endmacro %}

{% macro scored_where_possible(name, version, split) %}
  {#-
    A version's predictions of the rows that wait for it, as rows of the predictions; warns of rows without one. None where no row waits,
    which is asked first: an engine may prepare all trees of the SELECT for no row as well.
  -#}
  {%- set rows = version.waiting -%}
  {%- if not run_query('select 1 from (' ~ rows ~ ') as waiting limit 1').rows -%}{{ return(none) }}{%- endif -%}
  {%- set types = mlbridge.types_of(split) -%}
  {%- set unscorable = mlbridge.unscorable_rows(version, types, '(' ~ rows ~ ')') -%}
  {%- set some_refused = mlbridge.says_why(version) and run_query(mlbridge.refused_rows(version, rows) ~ ' limit 1').rows -%}
  {%- if not run_query('select 1 from (' ~ unscorable ~ ') as unscorable limit 1').rows -%}
    {%- set scored = mlbridge.scored_by_sql(name, version, rows, none) -%}
    {%- if some_refused -%}{%- do mlbridge.warn_of_unscored(version, scored) -%}{%- endif -%}
    {{ return(scored) }}
  {%- endif -%}
  {%- set key = "unscorable.entity = waiting." ~ mlbridge.quoted('ml entity') ~ " and unscorable.time = waiting." ~ mlbridge.quoted('ml time') -%}
  {%- set only = 'select waiting.* from (' ~ rows ~ ') as waiting inner join (' ~ unscorable ~ ') as unscorable on ' ~ key -%}
  {%- set joined = mlbridge.unscorable_rows(version, types, 'ml_split_rows') -%}
  {%- do mlbridge.warn_of_unscored(version, mlbridge.scored_by_sql(name, version, rows if some_refused else only, joined)) -%}
  {{ return(mlbridge.scored_by_sql(name, version, rows, joined)) }}
{% endmacro %}
