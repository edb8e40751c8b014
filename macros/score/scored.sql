{# The result of a version's SELECT as rows of `<model>_predictions`. The columns are those of `PREDICTIONS` in `mlbridge/scoring/rows.py`. #}

{% macro scored_by_sql(name, version, rows, unscorable) %}
  {#-
    The result of a version's SELECT over rows of the split, as rows of the predictions. `unscorable` selects the rows that may
    be unscorable, or is none where there are none. Left out are a challenger's rows without prediction and reason, and for
    any version the rows whose reason is already recorded.
  -#}
  {%- set number = 'coalesce(cast(scored.prediction_value as ' ~ mlbridge.type_double() ~ '), 0)' -%}
  {%- set prediction = 'case when not ' ~ mlbridge.is_infinite(number) ~ ' then scored.prediction end' -%}
  {%- set reasons = [] -%}
  {%- if unscorable -%}{%- do reasons.extend(['scored.infinite', 'case when ' ~ prediction ~ ' is null then scored.large end']) -%}{%- endif -%}
  {%- if mlbridge.says_why(version) -%}{%- do reasons.append('scored.not_scored_because') -%}{%- endif -%}
  {%- set why = 'coalesce(' ~ (reasons + ['null']) | join(', ') ~ ')' if reasons else 'null' -%}
  {%- set before = load_cached_relation(this) -%}
  {%- set columns = {
    'model_name': mlbridge.text(name),
    'version': version.number,
    'target': mlbridge.text(version.spec.target),
    'prediction': prediction if version.is_challenger else 'coalesce(' ~ prediction ~ ', ' ~ mlbridge.no_prediction(version) ~ ')',
    'scored_by': "'sql'",
    'scored_at': "'" ~ mlbridge.as_of() ~ "'",
    'invocation_id': mlbridge.text(invocation_id),
    'not_scored_because': why,
  } -%}
  {%- if reasons -%}
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
select answer.*{{ ', unscorable.infinite, unscorable.large' if unscorable }}
from (
{{ version.sql }}
) as answer
{%- if unscorable %}
left join ({{ unscorable }}) as unscorable
  on answer.entity = unscorable.entity and answer.time = unscorable.time
{%- endif %}
) as scored
where {{ '(' ~ prediction ~ ' is not null or ' ~ why ~ ' is not null)' if version.is_challenger else '1 = 1' }}
{%- if reasons and before is not none and mlbridge.has_reasons(before) %}
  and not exists (
    select 1
    from {{ before }} as recorded
    where
      recorded.entity = scored.entity and recorded.time = scored.time and recorded.version = {{ version.number }}
      and recorded.not_scored_because = {{ why }}
  )
{%- endif %}
{%- endmacro %}

{% macro has_reasons(predictions) %}
  {#- Whether the table has `not_scored_because`; tables of an earlier mlbridge lack it. -#}
  {{ return('not_scored_because' in mlbridge.names_in(predictions) | map('lower')) }}
{% endmacro %}

{% macro says_why(version) %}
  {#- Whether the version's SELECT says why a row has no prediction; one of before 0.8 does not. -#}
  {{ return('not_scored_because' in version.sql) }}
{% endmacro %}

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
  {#- Ends the query with an error when a row has no prediction: the SELECT gives NULL where scikit-learn raises. -#}
  {%- set message = model.name ~ ': version ' ~ version.number ~ ' gives no prediction for some rows, because a feature is NULL '
    ~ 'or has a category that training did not have, or a number is too large. Correct it in the features node, or pin another '
    ~ 'version. The entity of one such row: ' -%}
  {{ return(mlbridge.raised(mlbridge.text(message) ~ ' || scored.entity')) }}
{% endmacro %}
