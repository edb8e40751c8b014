{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- Realized and estimated metrics with what their confidence intervals are made of.
{%- set shares = mlbridge.share_metrics() %}
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
        df as degrees_of_freedom,
        coalesce(optimism, 0) as optimism,
        greatest(-1, least(1, coalesce(skewness, 0))) as skewness
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
        cast({{ mlbridge.freedom('0', 'estimated.n', none) }} as bigint) as degrees_of_freedom,
        0 as optimism,
        0 as skewness
    from {{ mlbridge.rows_of(ref('int_ml_estimated_metrics')) }} as estimated
    left join {{ mlbridge.rows_of(ref('int_ml_block_effects')) }} as blocks
        on {{ mlbridge.same('estimated', 'blocks', 'model, version, metric') }}
),

-- the metric as a share of rows; F1 / (2 - F1) is the share of the rows predicted or true that are both
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
        {{ mlbridge.t_quantile(mlbridge.freedom_of(
            'measured.degrees_of_freedom',
            '(case when measured.metric in ' ~ shares ~ ' then measured.support else measured.n end)'
        )) }} as t_quantile
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
