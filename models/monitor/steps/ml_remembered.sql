{{ config(materialized='ephemeral', access='private', contract={'enforced': false}) }}
-- How well each version did when it was trained: over those windows of its validation and test rows that hold at least
-- half as many rows as the average one.
{%- set fields = {'window_size': 'text', 'slice': 'text', 'metric': 'text', 'value': 'number', 'n': 'count'} %}
{%- set key = 'model, version, slice, metric' %}
with sizes as (
    select distinct
        model,
        version,
        window_size
    from {{ ref('ml_windows') }}
),

windows as (
    select
        item.model,
        item.version,
        item.slice,
        item.metric,
        item.value,
        item.n
    from {{ mlbridge.unfold(ref('ml_versions'), 'reference', ['model', 'version'], fields) }} as item
    inner join sizes
        on
            item.model = sizes.model
            and item.version = sizes.version
            and item.window_size = sizes.window_size
    where item.value is not null
),

typical as (
    select
        {{ key }},
        value,
        n,
        avg(cast(n as {{ mlbridge.type_double() }})) over (partition by {{ key }}) as n_typical
    from windows
),

final as (
    select
        {{ key }},
        sum(value * n) / sum(n) as mean,
        coalesce(stddev_samp(value), 0) as deviation
    from typical
    where n >= n_typical / 2
    group by {{ key }}
)

select * from final
