{# `<model>_predictions` as a `.sql` node of one call: the champion's SELECT over the rows that wait for it. #}

{% macro predict(split, training) %}
  {#-
    The rows to append: what `mlbridge.predict` gives in a Python node, by the `scoring_sql` of the logbook. `split` and
    `training` are `ref('<model>_split')` and `ref('<model>_training')`. Without a champion there are none, and a warning;
    with `shadow: true` the challenger's come after the champion's. A champion without a SELECT is refused.
  -#}
  {{ config(materialized='mlbridge') }}
  {%- if not model.name.endswith('_predictions') -%}
    {{ mlbridge.refuse(model.name, 'the node of this stage must be called `<model>_predictions`.') }}
  {%- endif -%}
  {%- set name = model.name[:-12] -%}
  {%- set selects = [] -%}
  {%- if execute and not flags.EMPTY and load_relation(training) is not none -%}
    {%- set spec = mlbridge.spec(name) -%}
    {%- for version in mlbridge.scoring_versions(name, training, spec) -%}
      {%- do mlbridge.check_schema(version, split) -%}
      {%- do mlbridge.check_keys(version, split) -%}
      {%- do selects.append(mlbridge.scored_by_sql(name, version, mlbridge.waiting_rows(version, spec, split))) -%}
    {%- endfor -%}
  {%- endif -%}
  {{ return(selects | join('\nunion all\n') or mlbridge.no_predictions()) }}
{% endmacro %}

{% macro scored_by_sql(name, version, rows) %}
  {#- What a version's SELECT says of rows of the split, as rows of the predictions. -#}
  {%- set columns = {
    'model_name': mlbridge.text(name),
    'version': version.number,
    'target': mlbridge.text(version.spec.target),
    'prediction': 'coalesce(scored.prediction, ' ~ mlbridge.no_prediction(version) ~ ')',
    'scored_by': "'sql'",
    'scored_at': "'" ~ mlbridge.as_of() ~ "'",
    'invocation_id': mlbridge.text(invocation_id),
  } -%}
  {%- set chosen = [] -%}
  {%- for column, type in mlbridge.prediction_types().items() -%}
    {%- do chosen.append('cast(' ~ columns.get(column, 'scored.' ~ column) ~ ' as ' ~ type ~ ') as ' ~ column) -%}
  {%- endfor -%}
select
  {{ chosen | join(',\n  ') }}
from (
with ml_split_rows as (
  {{ rows }}
)
select *
from (
{{ version.sql }}
) as answer
) as scored
{%- endmacro %}

{% macro prediction_types() %}
  {%- set text, number, moment = dbt.type_string(), mlbridge.type_double(), 'timestamp' -%}
  {{ return({
    'model_name': text, 'entity': text, 'time': moment, 'version': 'int', 'target': text, 'prediction': text,
    'prediction_value': number, 'probability': number, 'probabilities': text, 'scored_by': text, 'scored_at': moment,
    'invocation_id': text,
  }) }}
{% endmacro %}

{% macro no_predictions() %}
  {%- set chosen = [] -%}
  {%- for column, type in mlbridge.prediction_types().items() -%}
    {%- do chosen.append('cast(null as ' ~ type ~ ') as ' ~ column) -%}
  {%- endfor -%}
  {{ return('select * from (select ' ~ chosen | join(', ') ~ ') as nothing where 1 = 0') }}
{% endmacro %}

{% macro no_prediction(version) %}
  {#- What ends the query with an error, once a row comes to it: the SELECT gives NULL where scikit-learn refuses. -#}
  {%- set said = model.name ~ ': version ' ~ version.number ~ ' gives no prediction for some rows, because a feature is '
    ~ 'infinite, or is NULL or a category that the training did not see. Mend it in the features node. The first one: ' -%}
  {{ return(adapter.dispatch('raised', 'mlbridge')(mlbridge.text(said) ~ ' || scored.entity')) }}
{% endmacro %}

{% macro default__raised(message) %}
  {#- For engines that have no function for it: no number reads so. -#}
  {{ return('cast(cast(' ~ message ~ ' as int) as ' ~ dbt.type_string() ~ ')') }}
{% endmacro %}

{% macro duckdb__raised(message) %}{{ return('cast(error(' ~ message ~ ') as varchar)') }}{% endmacro %}

{% macro bigquery__raised(message) %}{{ return('error(' ~ message ~ ')') }}{% endmacro %}

{% macro spark__raised(message) %}{{ return('raise_error(' ~ message ~ ')') }}{% endmacro %}
