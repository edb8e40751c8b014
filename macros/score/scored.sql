{# What a version's SELECT says, as rows of `<model>_predictions`. The columns are those of `PREDICTIONS` in `mlbridge/score.py`. #}

{% macro scored_by_sql(name, version, rows, odd) %}
  {#-
    What a version's SELECT says of rows of the split, as rows of the predictions. `odd` gives what may keep a row from a
    prediction, or is none where nothing does. Of the challenger's, those of which the SELECT says nothing are left out.
  -#}
  {%- set number = 'coalesce(cast(scored.prediction_value as ' ~ mlbridge.type_double() ~ '), 0)' -%}
  {%- set told = 'case when not ' ~ mlbridge.is_infinite(number) ~ ' then scored.prediction end' -%}
  {%- set why = 'coalesce(scored.infinite, case when ' ~ told ~ ' is null then scored.large end)' if odd else 'null' -%}
  {%- set columns = {
    'model_name': mlbridge.text(name),
    'version': version.number,
    'target': mlbridge.text(version.spec.target),
    'prediction': told if version.beside else 'coalesce(' ~ told ~ ', ' ~ mlbridge.no_prediction(version) ~ ')',
    'scored_by': "'sql'",
    'scored_at': "'" ~ mlbridge.as_of() ~ "'",
    'invocation_id': mlbridge.text(invocation_id),
    'not_scored_because': why,
  } -%}
  {%- if odd -%}
    {%- for column in ['prediction', 'prediction_value', 'probability', 'probabilities'] -%}
      {%- do columns.update({column: 'case when ' ~ why ~ ' is null then ' ~ columns.get(column, 'scored.' ~ column) ~ ' end'}) -%}
    {%- endfor -%}
  {%- endif -%}
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
select answer.*{{ ', odd.infinite, odd.large' if odd }}
from (
{{ version.sql }}
) as answer
{%- if odd %}
left join ({{ odd }}) as odd on answer.entity = odd.entity and answer.time = odd.time
{%- endif %}
) as scored
{%- if version.beside %}
where {{ told }} is not null or {{ why }} is not null
{%- endif %}
{%- endmacro %}

{% macro prediction_types() %}
  {%- set text, number, moment = dbt.type_string(), mlbridge.type_double(), 'timestamp' -%}
  {{ return({
    'model_name': text, 'entity': text, 'time': moment, 'version': 'int', 'target': text, 'prediction': text,
    'prediction_value': number, 'probability': number, 'probabilities': text, 'scored_by': text, 'scored_at': moment,
    'invocation_id': text, 'not_scored_because': text,
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
  {%- set said = model.name ~ ': version ' ~ version.number ~ ' gives no prediction for some rows, because a feature is NULL '
    ~ 'or a category where the training saw none such, or the number is too large. Mend it in the features node, or pin another '
    ~ 'version. One of them: ' -%}
  {{ return(adapter.dispatch('raised', 'mlbridge')(mlbridge.text(said) ~ ' || scored.entity')) }}
{% endmacro %}

{% macro default__raised(message) %}
  {#- For engines that have no function for it: no number reads so. -#}
  {{ return('cast(cast(' ~ message ~ ' as int) as ' ~ dbt.type_string() ~ ')') }}
{% endmacro %}

{% macro duckdb__raised(message) %}{{ return('cast(error(' ~ message ~ ') as varchar)') }}{% endmacro %}
