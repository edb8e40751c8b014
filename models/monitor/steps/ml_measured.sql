{{ config(materialized='ephemeral', access='private', contract={'enforced': false}) }}
-- What was realized and what is estimated, with what the intervals are made of.
{%- set shares = "('average_precision', 'roc_auc', 'accuracy', 'precision', 'recall', 'f1')" %}
with measured as (
    select
        model,
        version,
        window_size,
        window_start,
        slice,
        'realized' as kind,
        metric,
        value,
        se,
        n,
        baseline,
        skill_se,
        support,
        events,
        low,
        high,
        block,
        blocks,
        df
    from {{ ref('ml_realized') }}
    union all
    select
        estimated.model,
        estimated.version,
        estimated.window_size,
        estimated.window_start,
        estimated.slice,
        'estimated' as kind,
        estimated.metric,
        estimated.value,
        estimated.se * sqrt(coalesce(blocks.design_effect, 1)) as se,
        cast(estimated.n as bigint) as n,
        estimated.baseline,
        estimated.skill_se * sqrt(coalesce(blocks.design_effect, 1)) as skill_se,
        estimated.support,
        cast(floor(estimated.events) as bigint) as events,
        estimated.low,
        estimated.high,
        coalesce(blocks.block, 'day') as block,
        cast(null as bigint) as blocks,
        cast({{ mlbridge.freedom('0', 'estimated.n', none) }} as bigint) as df
    from {{ ref('ml_estimated') }} as estimated
    left join {{ ref('ml_blocks') }} as blocks
        on
            estimated.model = blocks.model
            and estimated.version = blocks.version
            and estimated.metric = blocks.metric
),

-- as a share of rows: F1 as that of the rows predicted or true that are both
shared as (
    select
        measured.*,
        case
            when measured.metric = 'f1' then measured.value / (2 - measured.value)
            when measured.metric in {{ shares }} then measured.value
        end as share,
        case
            when measured.metric = 'f1' then measured.se * 2 / ((2 - measured.value) * (2 - measured.value))
            else measured.se
        end as share_se,
        {{ mlbridge.t_quantile(mlbridge.freedom_of('measured.df', 'measured.support')) }} as t
    from measured
),

final as (
    select
        shared.*,
        coalesce(
            nullif(shared.share * (1 - shared.share), 0) / nullif(shared.share_se * shared.share_se, 0),
            nullif(shared.support, 0)
        ) as n_effective
    from shared
)

select * from final
