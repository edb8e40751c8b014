{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- Whether a version relies on a feature: whether it is one of the most important features, which together hold four
-- fifths of the permutation importance (a negative importance counts as none). A version relies on a feature of unknown
-- importance, that is where the metric was not defined.
with important as (
    select
        model,
        version,
        feature,
        case when mean > 0 then mean else 0 end as mean,
        case when mean is null then 1 else 0 end as is_unknown
    from {{ ref('ml_importances') }}
),

ranked as (
    select
        model,
        version,
        feature,
        mean,
        is_unknown,
        sum(mean) over (partition by model, version) as total,
        sum(mean) over (
            partition by model, version
            order by mean desc, feature asc rows between unbounded preceding and current row
        ) - mean as before
    from important
)

select
    model,
    version,
    feature,
    case
        when is_unknown = 1 then 1
        when mean > 0 and before < {{ mlbridge.relied_share() }} * total then 1
        else 0
    end as is_relied
from ranked
