{{ config(materialized='ephemeral', access='private', contract={'enforced': false}) }}
-- The profiles by the bins that are compared, categories from the hundredth on as one; beside each bin what holds for
-- the whole feature. `unnamed`: training rows with a category that the profile does not list; `singles`: categories
-- with one row; `value_sum`: of the values in the bin, NULL where the version's profile has no means yet. An edge or
-- a mean that is too far out to be summed is NULL: no distance is counted there.
{%- set feature = 'model, version, feature' %}
with folded as (
    select
        model,
        version,
        feature,
        kind,
        case when kind = 'category' and bin > {{ mlbridge.folded() }} then {{ mlbridge.folded() }} else bin end as bin,
        case when abs(lower) < {{ mlbridge.most_summed() }} then lower end as lower,
        case when abs(upper) < {{ mlbridge.most_summed() }} then upper end as upper,
        {{ mlbridge.named('rows') }} as m,
        partner_mean,
        partner_correlation,
        std,
        case
            when {{ mlbridge.named('rows') }} = 0 then 0
            when abs(mean) < {{ mlbridge.most_summed() }} then {{ mlbridge.named('rows') }} * mean
        end as value_sum,
        case when kind = 'category' and bin >= 0 and category is null then {{ mlbridge.named('rows') }} else 0 end
            as unnamed,
        case when kind = 'category' and bin >= 0 and {{ mlbridge.named('rows') }} = 1 then 1 else 0 end as single
    from {{ ref('ml_profiles') }}
),

binned as (
    select
        {{ feature }},
        kind,
        bin,
        min(lower) as lower,
        max(upper) as upper,
        cast(sum(m) as {{ mlbridge.type_double() }}) as m,
        max(partner_mean) as partner_mean,
        max(partner_correlation) as partner_correlation,
        max(std) as std,
        sum(unnamed) as unnamed,
        sum(single) as single,
        sum(value_sum) as value_sum
    from folded
    group by {{ feature }}, kind, bin
),

final as (
    select
        {{ feature }},
        kind,
        bin,
        lower,
        upper,
        m,
        partner_mean,
        partner_correlation,
        std,
        value_sum,
        max(bin) over (partition by {{ feature }}) as last_bin,
        sum(unnamed) over (partition by {{ feature }}) as unnamed,
        sum(single) over (partition by {{ feature }}) as singles,
        sum(m) over (partition by {{ feature }}) as rows_all,
        sum(case when bin = -1 then m else 0 end) over (partition by {{ feature }}) as rows_null
    from binned
)

select * from final
