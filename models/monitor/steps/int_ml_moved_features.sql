{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- The three features of each window that have the largest psi, as a multiple of its threshold, times permutation
-- importance; in one text.
with weighed as (
    select
        drift.model,
        drift.version,
        drift.{{ mlbridge.quoted('window') }} as window_start,
        drift.feature,
        drift.value,
        importances.mean * drift.value / drift.threshold as weight
    from {{ mlbridge.rows_of(ref('ml_drift')) }} as drift
    inner join {{ mlbridge.rows_of(ref('ml_importances')) }} as importances
        on {{ mlbridge.same('drift', 'importances', 'model, version, feature') }}
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
        feature || ' (psi ' || {{ mlbridge.figure('value') }} || ')' as described,
        row_number() over (
            partition by model, version, window_start order by weight desc, feature asc
        ) as importance_rank
    from weighed
),

final as (
    select
        model,
        version,
        window_start,
        {{ mlbridge.joined('described', 'importance_rank') }} as features
    from ranked
    where importance_rank <= 3
    group by model, version, window_start
)

select * from final
