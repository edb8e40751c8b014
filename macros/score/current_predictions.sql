{# The predictions as the package's tables read them. #}

{% macro current_predictions(predictions) %}
  {#-
    The rows of `<model>_predictions` with a prediction, and for a row that has none yet the newest with the reason. A relation
    with the columns of that table and `not_scored_because`, which is NULL where the table lacks it.
  -#}
  {%- if execute and not mlbridge.has_reasons(predictions) -%}
    {{ return('(select *, cast(null as ' ~ dbt.type_string() ~ ') as not_scored_because from ' ~ predictions ~ ')') }}
  {%- endif -%}
  (
    select * from {{ predictions }} where prediction is not null
    union all
    select refused.*
    from {{ mlbridge.rows_of(predictions) }} as refused
    where
        refused.prediction is null
        and not exists (
            select 1
            from {{ mlbridge.rows_of(predictions) }} as later
            where
                later.entity = refused.entity
                and later.time = refused.time
                and later.version = refused.version
                and (
                    later.prediction is not null
                    or later.scored_at > refused.scored_at
                    or later.scored_at = refused.scored_at and later.invocation_id > refused.invocation_id
                )
        )
)
{%- endmacro %}

{% macro monitored(predictions, versions) %}
  {#-
    Whether a prediction is one that the version may be measured on: from `holdout_from` on. Earlier rows were scored only
    because their outcome was not known at the training, so they do not represent their window.
  -#}
  ({{ versions }}.holdout_from is null or {{ predictions }}.time >= {{ versions }}.holdout_from)
{%- endmacro %}

{% macro preferred_first(predictions, champion) %}
  {#-
    The order in which several predictions of one row are taken: what a server has answered to somebody comes first; then, also after a
    rollback, the version in use, `champion`.
  -#}
  case when {{ predictions }}.prediction is null then 1 else 0 end,
  case when {{ predictions }}.scored_by = 'request' then 0 else 1 end,
  case when {{ predictions }}.version = {{ champion }} then 0 else 1 end,
  {{ predictions }}.scored_at desc,
  {{ predictions }}.version desc
{%- endmacro %}
