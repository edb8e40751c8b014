{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- The profiles in the bins that are compared: categories from the hundredth on are one bin. `rows_unnamed` counts
-- training rows with a category that the profile does not list. `value_sum` is NULL for versions whose profile has no
-- means. An edge or a mean of 1e100 or more is NULL, because it cannot be summed: there no Wasserstein distance is
-- computed.
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
        {{ mlbridge.named('rows') }} as rows_in_bin,
        partner_mean,
        partner_correlation,
        std,
        case
            when {{ mlbridge.named('rows') }} = 0 then 0
            when abs(mean) < {{ mlbridge.most_summed() }} then {{ mlbridge.named('rows') }} * mean
        end as value_sum,
        case when kind = 'category' and bin >= 0 and category is null then {{ mlbridge.named('rows') }} else 0 end
            as rows_unnamed,
        case when kind = 'category' and bin >= 0 and {{ mlbridge.named('rows') }} = 1 then 1 else 0 end as is_one_row
    from {{ ref('ml_profiles') }}
),

binned as (
    select
        {{ feature }},
        kind,
        bin,
        min(lower) as lower,
        max(upper) as upper,
        cast(sum(rows_in_bin) as {{ mlbridge.type_double() }}) as rows_in_bin,
        max(partner_mean) as partner_mean,
        max(partner_correlation) as partner_correlation,
        max(std) as std,
        sum(rows_unnamed) as rows_unnamed,
        sum(is_one_row) as is_one_row,
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
        rows_in_bin,
        partner_mean,
        partner_correlation,
        std,
        value_sum,
        max(bin) over (partition by {{ feature }}) as last_bin,
        sum(rows_unnamed) over (partition by {{ feature }}) as rows_unnamed,
        sum(is_one_row) over (partition by {{ feature }}) as categories_with_one_row,
        sum(rows_in_bin) over (partition by {{ feature }}) as rows_all,
        sum(case when bin = -1 then rows_in_bin else 0 end) over (partition by {{ feature }}) as rows_null
    from binned
)

select * from final
