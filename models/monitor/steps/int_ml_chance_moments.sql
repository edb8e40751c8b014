{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- Means and variances that the divergences and chi-square of each window and baseline would have by chance, from their
-- rows and bins; and the chi-square that they have (`chi_square`, for numbers too), from which the design effect is
-- estimated.
{%- set key = 'model, version, period, window_start, feature, baseline' %}
with bins as (
    select
        {{ key }},
        rows_used,
        rows_baseline,
        rows_in_bin + baseline_rows_in_bin as pooled_rows_in_bin,
        (rows_in_bin + baseline_rows_in_bin)
        * least(rows_used, rows_baseline)
        / (rows_used + rows_baseline) as expected_rows,
        power(rows_in_bin / rows_used - baseline_rows_in_bin / rows_baseline, 2)
        / (rows_in_bin + baseline_rows_in_bin) as share_gap_square
    from {{ ref('int_ml_compared_bins') }}
    where bin >= 0 and rows_in_bin + baseline_rows_in_bin > 0 and rows_used > 0 and rows_baseline > 0
),

moments as (
    select
        bins.*,
        1 - bins.pooled_rows_in_bin / (bins.rows_used + bins.rows_baseline) as share_of_other_bins,
        {{ mlbridge.chance_of_bin() }}
    from bins
),

summed as (
    select
        {{ key }},
        rows_used,
        rows_baseline,
        rows_used + rows_baseline as rows_pooled,
        cast(count(*) as {{ mlbridge.type_double() }}) as bins_filled,
        sum(1 / pooled_rows_in_bin) as inverse_rows,
        max(pooled_rows_in_bin) as rows_in_fullest_bin,
        sum(share_gap_square) * rows_used * rows_baseline as chi_square,
        sum(share_of_other_bins * psi_mean) as psi_mean,
        sum(share_of_other_bins * psi_variance) as psi_variance,
        sum(share_of_other_bins * js_mean) as js_mean,
        sum(share_of_other_bins * js_variance) as js_variance
    from moments
    group by {{ key }}, rows_used, rows_baseline
),

final as (
    select
        {{ key }},
        chi_square,
        rows_in_fullest_bin / rows_pooled as fullest_share,
        psi_mean,
        psi_variance,
        js_mean,
        js_variance,
        (bins_filled - 1) * rows_pooled / nullif(rows_pooled - 1, 0) as chi_square_mean,
        {{ mlbridge.pearson_variance('rows_pooled', 'rows_used', 'rows_baseline', 'bins_filled', 'inverse_rows') }}
            as chi_square_variance
    from summed
)

select * from final
