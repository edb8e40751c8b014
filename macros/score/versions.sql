{# Which versions score as SQL, as the logbook says at the build's moment. #}

{% macro scoring_versions(name, training, spec) %}
  {#- The champion and, with `shadow: true`, the challenger: mappings of number, spec, features, holdout_from, sql,
      and `beside` for the challenger. -#}
  {%- set asked -%}
    select version, outcome
    from {{ training }}
    where outcome in ('promoted', 'rejected', 'withheld') and as_of <= cast('{{ mlbridge.as_of() }}' as timestamp)
    order by as_of, trained_at, version
  {%- endset -%}
  {%- set retired = mlbridge.retired(name) -%}
  {%- do mlbridge.check_retired(training, retired) -%}
  {%- set chosen, promoted, withheld = [], [], [] -%}
  {%- for row in run_query(asked).rows if row[1] == 'withheld' or row[0] | int not in retired -%}
    {%- do (withheld if row[1] == 'withheld' else chosen).append(row[0] | int) -%}
    {%- if row[1] == 'promoted' -%}{%- do promoted.append(row[0] | int) -%}{%- endif -%}
  {%- endfor -%}
  {%- set champion = mlbridge.pinned(chosen, withheld, spec.get('pin')) if spec.get('pin') is not none else promoted | last | default(none) -%}
  {%- if champion is none -%}
    {%- do exceptions.warn(model.name ~ ': ' ~ name ~ ' has no champion yet, so nothing is scored; see `ml_decisions` for the reason') -%}
    {{ return([]) }}
  {%- endif -%}
  {%- set found = mlbridge.scoring_version(training, champion) -%}
  {%- if found.sql is none -%}
    {{ mlbridge.refuse(model.name, 'version ' ~ champion ~ ' is no SELECT: ' ~ found.note ~ '. Make this node a Python '
      ~ 'model (`mlbridge.predict` takes any version), or pin a version that is one.') }}
  {%- endif -%}
  {%- set versions = [found] -%}
  {%- set others = chosen | reject('equalto', champion) | list -%}
  {%- if spec.get('shadow') and others -%}
    {%- set challenger = dict(mlbridge.scoring_version(training, others | last), beside=true) -%}
    {%- if challenger.sql is none -%}
      {%- do mlbridge.warn_of_shadow(challenger, 'it is no SELECT: ' ~ challenger.note) -%}
    {%- else -%}
      {%- do versions.append(challenger) -%}
    {%- endif -%}
  {%- endif -%}
  {{ return(versions) }}
{% endmacro %}

{% macro pinned(chosen, withheld, pin) %}
  {%- if pin is not integer -%}
    {{ mlbridge.refuse(model.name, "`mlbridge.pin`: expected the number of a version, found '" ~ pin ~ "'.") }}
  {%- endif -%}
  {%- set there = chosen | sort | join(', ') or 'none' -%}
  {%- if pin in withheld -%}
    {{ mlbridge.refuse(model.name, '`mlbridge.pin`: version ' ~ pin ~ ' is withheld, because of what looks like a leak; see '
      ~ '`ml_leaks`. Pin one of ' ~ there ~ ', or allow the column in `allow_leakage` to train anew.') }}
  {%- elif pin not in chosen -%}
    {{ mlbridge.refuse(model.name, '`mlbridge.pin`: there is no version ' ~ pin ~ ' that this build knows; the logbook has '
      ~ there ~ '. Pin one that is there, or remove the pin.') }}
  {%- endif -%}
  {{ return(pin) }}
{% endmacro %}

{% macro scoring_version(training, number) %}
  {#- A logbook that an earlier mlbridge began may not have all columns yet. -#}
  {%- set there = adapter.get_columns_in_relation(training) | map(attribute='name') | map('lower') | list -%}
  {%- set asked -%}
    select
      spec, features, cast(holdout_from as {{ dbt.type_string() }}),
      {{ 'scoring_sql' if 'scoring_sql' in there else 'null' }}, {{ 'scoring_sql_note' if 'scoring_sql_note' in there else 'null' }}
    from {{ training }}
    where version = {{ number }} and outcome in ('promoted', 'rejected')
  {%- endset -%}
  {%- set row = run_query(asked).rows[0] -%}
  {{ return({
    'number': number,
    'beside': false,
    'spec': fromjson(row[0]),
    'features': fromjson(row[1]),
    'holdout_from': row[2],
    'sql': row[3],
    'note': row[4] or 'nobody asked for one when it was trained',
  }) }}
{% endmacro %}
