{# `ml_scores_<model>` as a node of one call: what people read of a model, in the host's own columns. #}

{% macro scores(split, training, predictions) %}
  {#-
    The predictions of a model as a table for people and their BI tools, one row per entity and time that the split still holds:
    the key and the columns that the spec's `report` names, in their own types, and the columns of `scores_columns`. The arguments are
    `ref('<model>_split')`, `ref('<model>_training')` and `ref('<model>_predictions')`. Times are UTC. Of several predictions of a row
    the one is shown that `ml_predictions_latest` shows, among those of today's target that stand for their time (`monitored`).
  -#}
  {%- set roles = mlbridge.granted_roles() -%}
  {{ config(materialized='table', meta={'mlbridge_scores': mlbridge.scores_columns()}) }}
  {%- if roles -%}{{ config(grants={'select': roles}) }}{%- endif -%}
  {%- if not execute or load_relation(split) is none or load_relation(predictions) is none -%}
    {{ return('select * from ' ~ predictions) }}
  {%- endif -%}
  {%- if not model.name.startswith('ml_scores_') -%}
    {{ mlbridge.refuse(model.name, 'a node that calls mlbridge.scores must be called `ml_scores_<model>`.') }}
  {%- endif -%}
  {%- set spec, types = mlbridge.spec(model.name[10:]), mlbridge.types_of(split) -%}
  {%- set own = (spec.entity + [spec.time] + spec.report) | unique(case_sensitive=true) | list -%}
  {%- do mlbridge.check_scores(spec, own, types.keys() | list) -%}
  {%- set target = mlbridge.quoted(spec.target) %}
select
  {{ mlbridge.quoted_columns('facts', own) }},
  {{ mlbridge.local_date(spec, types) }} as local_date,
  {{ 'ranked.prediction_value' if spec.task == 'regression' else 'cast(ranked.prediction as ' ~ types[spec.target] ~ ')' }} as prediction,
  ranked.probability,
  facts.{{ target }} as outcome,
  {{ mlbridge.outcome_state(spec, split) }} as outcome_state,
  ranked.version,
  ranked.scored_at,
  ranked.not_scored_because
from (
  select
    predictions.*,
    row_number() over (
      partition by predictions.entity, predictions.time
      order by {{ mlbridge.preferred_first('predictions', 'in_use.champion') }}
    ) as preference_rank
  from {{ mlbridge.current_predictions(predictions) }} as predictions
  inner join {{ mlbridge.rows_of(training) }} as versions
    on predictions.version = versions.version and versions.outcome in ('promoted', 'rejected')
  cross join ({{ mlbridge.versions_in_use(model.name[10:], mlbridge.rows_of(training) ~ ' as logbook') }}) as in_use
  where
    predictions.target = {{ mlbridge.text(spec.target) }}
    and {{ mlbridge.monitored('predictions', 'versions') }}
) as ranked
inner join {{ mlbridge.rows_of(split) }} as facts on {{ mlbridge.same_row('ranked', 'facts', spec) }}
where ranked.preference_rank = 1
{% endmacro %}

{% macro check_scores(spec, own, names) %}
  {#- Refuses columns of the split that are not there or have a name which the table gives itself, and a zone that no calendar has. -#}
  {%- for column in spec.report -%}{%- do mlbridge.column_exists('report', column, names) -%}{%- endfor -%}
  {%- for column in own if column | lower in mlbridge.scores_columns() -%}
    {{ mlbridge.refuse(model.name, "'" ~ column ~ "' is the name of a column that this table adds. Rename it in the features node, or "
      ~ 'take it out of `mlbridge.report`.') }}
  {%- endfor -%}
  {%- if spec.time_zone not in modules.pytz.all_timezones -%}
    {{ mlbridge.refuse(model.name, '`mlbridge.time_zone`: found ' ~ mlbridge.shown(spec.time_zone) ~ '.'
      ~ mlbridge.nearest(spec.time_zone, modules.pytz.all_timezones) ~ " Allowed: the names of the tz database, such as 'Europe/Amsterdam'.") }}
  {%- endif -%}
{% endmacro %}

{% macro quoted_columns(table, names) %}
  {%- set columns = [] -%}
  {%- for name in names -%}{%- do columns.append(table ~ '.' ~ mlbridge.quoted(name)) -%}{%- endfor -%}
  {{ return(columns | join(',\n  ')) }}
{% endmacro %}

{% macro local_date(spec, types) %}
  {#- The day of a row's time in the spec's time zone; a date has no time of day, and stays what it is. -#}
  {%- set time = 'cast(facts.' ~ mlbridge.quoted(spec.time) ~ ' as timestamp)' -%}
  {%- set is_moment = types[spec.time] | lower != 'date' and spec.time_zone != 'UTC' -%}
  {{ return('cast(' ~ (mlbridge.in_zone(time, spec.time_zone) if is_moment else time) ~ ' as date)') }}
{% endmacro %}

{% macro outcome_state(spec, split) %}
  {#-
    `known`: the outcome is there. `never`: it is not, although its label time has passed, or, where it has none, although more
    time has passed since the prediction than any known outcome of the split took. `pending`: it may still come. Without a
    `label_time` in the spec nothing says when an outcome is due, so none is `never`.
  -#}
  {%- set moment, label = "cast('" ~ mlbridge.split_as_of(split) ~ "' as timestamp)", spec.get('label_time') -%}
  case
    when facts.{{ mlbridge.quoted(spec.target) }} is not null then 'known'
    {%- if label %}
    when
      facts.{{ mlbridge.quoted(label) }} <= {{ moment }}
      or facts.{{ mlbridge.quoted(label) }} is null and {{ mlbridge.epoch(moment) }} - {{ mlbridge.epoch('ranked.time') }} > ({{ mlbridge.longest_wait(label, spec, split) }})
      then 'never'
    {%- endif %}
    else 'pending'
  end
{%- endmacro %}

{% macro longest_wait(label, spec, split) %}
  {#-
    A select of one number: the most seconds that a known outcome of the split took. As a value, not as a table that is joined, it is computed
    once: an engine that expects one row on the other side of a join computes it anew for each row that comes.
  -#}
  {%- set wait = mlbridge.epoch('known.' ~ mlbridge.quoted(label)) ~ ' - ' ~ mlbridge.epoch('known.' ~ mlbridge.quoted(spec.time)) -%}
  {{ return('select max(' ~ wait ~ ') from ' ~ mlbridge.rows_of(split) ~ ' as known where known.' ~ mlbridge.quoted(spec.target) ~ ' is not null') }}
{% endmacro %}
