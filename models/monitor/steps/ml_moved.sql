{{ config(materialized='ephemeral', access='private', contract={'enforced': false}) }}
-- The three features of each window that have moved most by what they matter: their share of the threshold times their
-- permutation importance, in one text.
with weighed as (
    select
        drift.model,
        drift.version,
        drift.{{ mlbridge.quoted('window') }} as window_start,
        drift.feature,
        drift.value,
        importances.mean * drift.value / drift.threshold as weight
    from {{ ref('ml_drift') }} as drift
    inner join {{ ref('ml_importances') }} as importances
        on
            drift.model = importances.model
            and drift.version = importances.version
            and drift.feature = importances.feature
    where
        drift.metric = 'psi'
        and drift.baseline = 'training'
        and drift.value > 0
        and drift.threshold > 0
        and importances.mean > 0
),

ranked as (
    select
        model,
        version,
        window_start,
        feature || ' (psi ' || {{ mlbridge.figure('value') }} || ')' as said,
        row_number() over (partition by model, version, window_start order by weight desc, feature asc) as place
    from weighed
),

final as (
    select
        model,
        version,
        window_start,
        {{ mlbridge.joined('said', 'place') }} as features
    from ranked
    where place <= 3
    group by model, version, window_start
)

select * from final
