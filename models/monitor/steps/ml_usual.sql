{{ config(materialized='ephemeral', access='private', contract={'enforced': false}) }}
-- What is usual: each metric of drift over those windows of the training period that hold at least half as many rows
-- as the average one.
{%- set key = 'model, version, feature, baseline, metric' %}
with measured as (
    {{ mlbridge.one_row_per_metric() }}
),

typical as (
    select
        {{ key }},
        {{ mlbridge.size_of('value') }} / scale as value,
        rows_used,
        avg(rows_used) over (partition by {{ key }}) as rows_typical
    from measured
    where period = 'training' and value is not null
),

final as (
    select
        {{ key }},
        count(*) as windows,
        max(rows_typical) as rows_typical,
        avg(value) as mean,
        stddev_samp(value) as deviation
    from typical
    where rows_used >= rows_typical / 2
    group by {{ key }}
)

select * from final
