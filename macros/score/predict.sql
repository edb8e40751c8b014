{# `<model>_predictions` as a `.sql` node of one call: the champion's SELECT over the rows that wait for it. #}

{% macro predict(split, training, requests=none) %}
  {#-
    The rows to append: what `mlbridge.predict` gives in a Python node, by the `scoring_sql` of the logbook, which is in the
    dialect of the engine that trained. `split` and `training` are `ref('<model>_split')` and `ref('<model>_training')`;
    `requests` is `ref` of a model that calls `mlbridge.requests`, whose rows the materialization takes in before. Without
    a champion there are none, and a warning; with `shadow: true` the challenger's come after the champion's, and its
    errors are only warnings. A champion that is no SELECT, or whose SELECT mlbridge did not write, is refused. Commands other than run, build and retry get no rows,
    because for them the tables may not exist.
  -#}
  {{ config(materialized='mlbridge') }}
  {%- if not model.name.endswith('_predictions') -%}
    {{ mlbridge.refuse(model.name, 'the node of this stage must be called `<model>_predictions`.') }}
  {%- endif -%}
  {%- if execute and requests is not none and mlbridge.requests_of(model) is none -%}
    {{ mlbridge.refuse(model.name, requests ~ ' is no model that calls mlbridge.requests, so it has no rows of requests to take in.') }}
  {%- endif -%}
  {%- set name = model.name[:-12] -%}
  {%- set selects = [] -%}
  {%- if mlbridge.is_running() and not flags.EMPTY -%}
    {%- do mlbridge.settle_session() -%}
    {%- for version in mlbridge.scoring_versions(name, split, training) -%}
      {%- set problem = mlbridge.select_problem(version) -%}
      {%- if problem is none -%}
        {%- set scored = mlbridge.scored_where_possible(name, version, split) -%}
        {%- if scored is not none -%}{%- do selects.append(scored) -%}{%- endif -%}
      {%- elif version.is_challenger -%}
        {%- do mlbridge.warn_of_shadow(version, 'it ' ~ problem) -%}
      {%- else -%}
        {{ mlbridge.refuse(model.name, 'version ' ~ version.number ~ ' ' ~ problem ~ '. Make this node a Python model '
          ~ "(`mlbridge.predict` takes any version), pin another version, or train again with --vars '{mlbridge_retrain: true}'.") }}
      {%- endif -%}
    {%- endfor -%}
  {%- endif -%}
  {{ return(selects | join('\nunion all\n') or mlbridge.no_predictions()) }}
{% endmacro %}
