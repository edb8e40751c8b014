{# The versions that score in a build, each with the rows that it scores; for the SQL node and the Python node alike. #}

{% macro scoring_versions(name, split, training, rows=none) %}
  {#-
    The champion and, with `shadow: true`, the challenger: mappings of number, is_challenger, spec, features, holdout_from, sql, sql_md5, note,
    and `waiting`, the select of their rows. Without a champion there are none, and a warning. A champion that cannot score is refused,
    a challenger that cannot is left out with a warning. `rows` is what the select reads instead of the split itself.
  -#}
  {%- set spec, in_use, versions = mlbridge.spec(name), mlbridge.in_use(name, training), [] -%}
  {%- if in_use.champion is none -%}
    {%- do exceptions.warn(model.name ~ ': ' ~ name ~ ' has no champion yet, so nothing is scored; see `ml_decisions` for the reason') -%}
    {{ return([]) }}
  {%- endif -%}
  {%- for number in [in_use.champion, in_use.challenger if spec.shadow else none] if number is not none -%}
    {%- set version = dict(mlbridge.scoring_version(training, number), is_challenger=not loop.first) -%}
    {%- set problem = mlbridge.scoring_problem(version, spec.split.group, split) -%}
    {%- if problem is none -%}
      {%- do versions.append(dict(version, waiting=mlbridge.waiting_rows(version, spec, split, rows or split))) -%}
    {%- elif version.is_challenger -%}
      {%- do mlbridge.warn_of_shadow(version, problem) -%}
    {%- else -%}
      {{ mlbridge.refuse(model.name, 'version ' ~ number ~ ' cannot score: ' ~ problem) }}
    {%- endif -%}
  {%- endfor -%}
  {{ return(versions) }}
{% endmacro %}

{% macro scoring_version(training, number) %}
  {#- A logbook that an earlier mlbridge began may not have all columns yet. -#}
  {%- set there = mlbridge.names_in(training) | map('lower') | list -%}
  {%- set columns = [] -%}
  {%- for name in ['spec', 'features', 'holdout_from', 'scoring_sql', 'scoring_sql_md5', 'scoring_sql_note'] -%}
    {%- do columns.append('cast(' ~ (name if name in there else 'null') ~ ' as ' ~ dbt.type_string() ~ ')') -%}
  {%- endfor -%}
  {%- set query -%}
    select {{ columns | join(', ') }}
    from {{ training }}
    where version = {{ number }} and outcome in ('promoted', 'rejected')
  {%- endset -%}
  {%- set row = run_query(query).rows[0] -%}
  {{ return({
    'number': number,
    'spec': fromjson(row[0]),
    'features': fromjson(row[1]),
    'holdout_from': row[2],
    'sql': row[3],
    'sql_md5': row[4],
    'note': row[5] or 'it was not compiled when it was trained',
  }) }}
{% endmacro %}

{% macro warn_of_shadow(version, problem) %}
  {%- do exceptions.warn(model.name ~ ': the challenger (version ' ~ version.number ~ ') does not score in shadow: ' ~ problem) -%}
{% endmacro %}
