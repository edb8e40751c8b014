{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- What each model's training node decided last: `trained_*` about a training, also one that could not begin, and
-- `decided_*` about whether one was due, which most builds decide without training.
with ranked as (
    select
        decisions.model,
        decisions.outcome,
        decisions.version,
        decisions.reason,
        decisions.decided_at,
        row_number() over (
            partition by decisions.model
            order by decisions.decided_at desc, decisions.as_of desc, decisions.invocation_id desc
        ) as recency,
        row_number() over (
            partition by decisions.model
            order by
                case when decisions.outcome = 'skipped' then 1 else 0 end,
                decisions.decided_at desc,
                decisions.as_of desc,
                decisions.invocation_id desc
        ) as training_recency
    from {{ mlbridge.rows_of(ref('ml_decisions')) }} as decisions
),

retired as (
    select distinct
        model,
        version
    from {{ ref('ml_versions') }}
    where is_retired
),

final as (
    select
        newest.model,
        newest.reason as decided_because,
        newest.decided_at,
        training.outcome as trained_outcome,
        training.reason as trained_because,
        training.decided_at as trained_at,
        case when training.outcome = 'withheld' and retired.version is null then 1 else 0 end as is_withheld
    from ranked as newest
    inner join ranked as training
        on newest.model = training.model and training.training_recency = 1
    left join retired
        on training.model = retired.model and training.version = retired.version
    where newest.recency = 1
)

select * from final
