{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- Mean and standard deviation of each drift metric over the windows of the training period that hold at least half the
-- average rows; of a squared distance (psi, chi-square) those of its root, which is less skewed.
{%- set key = 'model, version, feature, baseline, metric' %}
with typical as (
    select
        {{ key }},
        {{ mlbridge.as_distance('value / rows_scale') }} as value,
        rows_used,
        avg(rows_used) over (partition by {{ key }}) as rows_typical
    from {{ ref('int_ml_drift_long') }}
    -- an infinite value would make the mean infinite, and the pooled variance of all features
    where period = 'training' and abs(value) < {{ mlbridge.most_summed() }}
),

summed as (
    select
        {{ key }},
        count(*) as windows,
        max(rows_typical) as rows_typical,
        avg(value) as mean,
        max(value) as greatest_usual,
        stddev_samp(value) as deviation
    from typical
    where rows_used >= rows_typical / 2
    group by {{ key }}
),

pooled as (
    select
        summed.*,
        avg(power(summed.deviation / nullif(summed.mean, 0), 2)) over (
            partition by summed.model, summed.version, summed.baseline, summed.metric
        ) as relative_variance
    from summed
    where summed.windows >= 2
),

final as (
    select
        {{ key }},
        windows,
        rows_typical,
        mean,
        greatest_usual,
        -- shrunk towards the pooled variance of all features, which counts as four more windows (Smyth 2004)
        greatest(
            deviation,
            sqrt(
                (4 * coalesce(relative_variance, 0) * mean * mean + (windows - 1) * deviation * deviation)
                / (windows + 3)
            )
        ) as deviation,
        windows + 3 as degrees_of_freedom
    from pooled
)

select * from final
