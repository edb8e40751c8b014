{{ mlbridge.grant() }}
with ranked as (
    select
        *,
        row_number() over (partition by model, entity, time order by scored_at desc, version desc) as place
    from {{ ref('ml_predictions') }}
)

select
    model,
    entity,
    time,
    version,
    prediction,
    prediction_value,
    probability,
    actual,
    actual_value,
    scored_at
from ranked
where place = 1
