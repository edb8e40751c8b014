{{ mlbridge.output() }}
{% call(name) mlbridge.each_model() %}
{%- set split = ref(name ~ '_split') -%}
{%- set spec = mlbridge.spec(name) %}
select
    predictions.model_name as model,
    predictions.entity,
    predictions.time,
    predictions.version,
    predictions.prediction,
    predictions.prediction_value,
    predictions.probability,
    -- an older version may have predicted something else
    case
        when predictions.target = {{ mlbridge.text(spec.target) }}
            then cast(facts.{{ mlbridge.quoted(spec.target) }} as {{ dbt.type_string() }})
    end as actual,
    case
        when predictions.target = {{ mlbridge.text(spec.target) }}
            then {{ mlbridge.as_number(split, spec.target, 'facts') }}
    end as actual_value,
    predictions.scored_at,
    predictions.not_scored_because,
    case when predictions.scored_by in ('request', 'shadow') then predictions.scored_by else 'build' end as scored_by
from {{ mlbridge.current_predictions(ref(name ~ '_predictions')) }} as predictions
left join {{ mlbridge.rows_of(split) }} as facts
    on
        predictions.entity = {{ mlbridge.key_as_text(spec.entity, 'facts') }}
        and predictions.time = cast(facts.{{ mlbridge.quoted(spec.time) }} as timestamp)
{% endcall %}
