{{ mlbridge.output() }}
with ranked as (
    select
        predictions.*,
        row_number() over (
            partition by predictions.model, predictions.entity, predictions.time
            order by {{ mlbridge.preferred_first('predictions', 'champions.version') }}
        ) as preference_rank
    from {{ mlbridge.rows_of(ref('ml_predictions')) }} as predictions
    left join {{ mlbridge.rows_of(ref('ml_champions')) }} as champions on predictions.model = champions.model
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
