{{ config(materialized='ephemeral', access='private', contract={'enforced': false}) }}
-- What is usual: each metric of drift over those windows of the training period that hold at least half as many rows
-- as the average one. Squares of distances (psi, chi-square) by their roots, which are less skewed.
{%- set key = 'model, version, feature, baseline, metric' %}
with measured as (
    {{ mlbridge.one_row_per_metric() }}
),

typical as (
    select
        {{ key }},
        {{ mlbridge.as_distance(mlbridge.size_of('value') ~ ' / scale') }} as value,
        rows_used,
        avg(rows_used) over (partition by {{ key }}) as rows_typical
    from measured
    -- one that is infinite, or as good as that, would make the mean of all so, and with it that of all features
    where period = 'training' and abs(value) < {{ mlbridge.most_summed() }}
),

summed as (
    select
        {{ key }},
        count(*) as windows,
        max(rows_typical) as rows_typical,
        avg(value) as mean,
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
        ) as relative
    from summed
    where summed.windows >= 2
),

final as (
    select
        {{ key }},
        windows,
        rows_typical,
        mean,
        -- what all features of the model say of the deviation counts as four windows more (Smyth 2004)
        greatest(
            deviation,
            sqrt((4 * coalesce(relative, 0) * mean * mean + (windows - 1) * deviation * deviation) / (windows + 3))
        ) as deviation,
        windows + 3 as freedom
    from pooled
)

select * from final
