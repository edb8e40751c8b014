{{ mlbridge.grant() }}
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
    cast(rows.{{ mlbridge.quoted(spec.target) }} as {{ dbt.type_string() }}) as actual,
    {{ mlbridge.as_number(split, spec.target, 'rows') }} as actual_value,
    predictions.scored_at
from {{ ref(name ~ '_predictions') }} as predictions
left join {{ split }} as rows
    on
        predictions.entity = {{ mlbridge.key_as_text(spec.entity, 'rows') }}
        and predictions.time = cast(rows.{{ mlbridge.quoted(spec.time) }} as timestamp)
{% endcall %}
