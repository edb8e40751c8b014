{{ mlbridge.output() }}
with ranked as (
    select
        predictions.*,
        row_number() over (
            partition by predictions.model, predictions.entity, predictions.time
            -- after a rollback the version in use comes first, although it scored these rows long ago
            order by
                case when predictions.prediction is null then 1 else 0 end,
                case when predictions.version = champions.version then 0 else 1 end,
                predictions.scored_at desc,
                predictions.version desc
        ) as preference_rank
    from {{ ref('ml_predictions') }} as predictions
    left join {{ ref('ml_champions') }} as champions on predictions.model = champions.model
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
    scored_at,
    not_scored_because
from ranked
where preference_rank = 1
