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
    from {{ predictions }} as refused
    where
        refused.prediction is null
        and not exists (
            select 1
            from {{ predictions }} as later
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
