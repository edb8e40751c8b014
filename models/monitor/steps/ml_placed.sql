{{ config(materialized='ephemeral', access='private', contract={'enforced': false}) }}
-- Each window by the bins of its profile: values outside the range of training in the outer bins, categories that
-- training did not have in the last one, as if they lay on its edge. `_others` is the same of the other windows of the
-- period.
{%- set bin = 'model, version, period, feature, bin' %}
with features as (
    select distinct
        model,
        version,
        feature,
        kind,
        last_bin
    from {{ ref('ml_folded') }}
),

placed as (
    select
        bins.model,
        bins.version,
        bins.period,
        bins.window_start,
        bins.feature,
        case
            when bins.bin = -2 and features.kind = 'numeric' then 0
            when bins.bin = -2 or bins.bin > features.last_bin then features.last_bin
            else bins.bin
        end as bin,
        bins.n,
        case
            when bins.bin = -2 then bins.value_sum + bins.overshoot
            when bins.bin > features.last_bin then bins.value_sum - bins.overshoot
            else bins.value_sum
        end as value_sum,
        bins.companions,
        bins.companion_sum,
        bins.companion_square
    from {{ ref('ml_bins') }} as bins
    inner join features
        on bins.model = features.model and bins.version = features.version and bins.feature = features.feature
),

summed as (
    select
        {{ bin }},
        window_start,
        cast(sum(n) as {{ mlbridge.type_double() }}) as n,
        sum(value_sum) as value_sum,
        cast(sum(companions) as {{ mlbridge.type_double() }}) as companions,
        sum(companion_sum) as companion_sum,
        sum(companion_square) as companion_square
    from placed
    group by {{ bin }}, window_start
),

final as (
    select
        {{ bin }},
        window_start,
        n,
        value_sum,
        companions,
        companion_sum,
        companion_square,
        sum(n) over (partition by {{ bin }}) as n_period,
        sum(value_sum) over (partition by {{ bin }}) as value_period,
        (sum(companion_sum) over (partition by {{ bin }}) - companion_sum)
        / nullif(sum(companions) over (partition by {{ bin }}) - companions, 0) as mean_others
    from summed
)

select * from final
