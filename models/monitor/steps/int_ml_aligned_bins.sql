{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- Each window in the bins of its profile. Values outside the range of training are counted in the outermost bins, as if
-- they lay on the edge, and categories that training did not have in the last bin. `partner_mean_of_others` is the mean
-- over the other windows of the period.
{%- set bin = 'model, version, period, feature, bin' %}
with features as (
    select distinct
        model,
        version,
        feature,
        kind,
        last_bin
    from {{ ref('int_ml_reference_bins') }}
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
        bins.rows_in_bin,
        case
            when bins.bin = -2 then bins.value_sum + bins.overshoot
            when bins.bin > features.last_bin then bins.value_sum - bins.overshoot
            else bins.value_sum
        end as value_sum,
        bins.companions,
        bins.companion_sum,
        bins.companion_square
    from {{ mlbridge.rows_of(ref('int_ml_window_bins')) }} as bins
    inner join features
        on {{ mlbridge.same('bins', 'features', 'model, version, feature') }}
),

summed as (
    select
        {{ bin }},
        window_start,
        cast(sum(rows_in_bin) as {{ mlbridge.type_double() }}) as rows_in_bin,
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
        rows_in_bin,
        value_sum,
        companions,
        companion_sum,
        companion_square,
        sum(rows_in_bin) over (partition by {{ bin }}) as period_rows_in_bin,
        sum(value_sum) over (partition by {{ bin }}) as period_value_sum,
        (sum(companion_sum) over (partition by {{ bin }}) - companion_sum)
        / nullif(sum(companions) over (partition by {{ bin }}) - companions, 0) as partner_mean_of_others
    from summed
)

select * from final
