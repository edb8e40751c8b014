{# `<model>_predictions` as a `.sql` node of one call: the champion's SELECT over the rows that wait for it. #}

{% macro predict(split, training) %}
  {#-
    The rows to append: what `mlbridge.predict` gives in a Python node, by the `scoring_sql` of the logbook, which is in the
    words of the engine that trained. `split` and `training` are `ref('<model>_split')` and `ref('<model>_training')`. Without
    a champion there are none, and a warning; with `shadow: true` the challenger's come after the champion's, and what it
    cannot do is only warned of. A champion that is no SELECT is refused. Other commands than run, build and retry, which may
    find half of it there, are given no rows.
  -#}
  {{ config(materialized='mlbridge') }}
  {%- if not model.name.endswith('_predictions') -%}
    {{ mlbridge.refuse(model.name, 'the node of this stage must be called `<model>_predictions`.') }}
  {%- endif -%}
  {%- set name = model.name[:-12] -%}
  {%- set selects = [] -%}
  {%- if execute and flags.WHICH in ['run', 'build', 'retry'] and not flags.EMPTY -%}
    {%- set spec = mlbridge.spec(name) -%}
    {%- for version in mlbridge.scoring_versions(name, training, spec) -%}
      {%- set problem = mlbridge.why_not(version, split) -%}
      {%- if problem is not none and version.beside -%}
        {%- do mlbridge.warn_of_shadow(version, problem) -%}
      {%- elif problem is not none -%}
        {{ mlbridge.refuse(model.name, 'version ' ~ version.number ~ ' cannot score: ' ~ problem) }}
      {%- else -%}
        {%- if not version.beside -%}{%- do mlbridge.check_keys(version, spec.split.group, split) -%}{%- endif -%}
        {%- do selects.append(mlbridge.scored_where_possible(name, version, split, mlbridge.waiting_rows(version, spec, split))) -%}
      {%- endif -%}
    {%- endfor -%}
  {%- endif -%}
  {{ return(selects | join('\nunion all\n') or mlbridge.no_predictions()) }}
{% endmacro %}

{% macro warn_of_shadow(version, problem) %}
  {%- do exceptions.warn(model.name ~ ': the challenger (version ' ~ version.number ~ ') does not score in shadow: ' ~ problem) -%}
{% endmacro %}
