{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- How far each window is from its baseline, one column per drift metric (macro drift_metrics); formulas and their
-- sources are in docs/monitor.md.
with shares as (
    select
        compared.*,
        compared.rows_in_bin / nullif(compared.rows_used, 0) as share,
        compared.baseline_rows_in_bin / nullif(compared.rows_baseline, 0) as baseline_share,
        (compared.rows_in_bin + compared.baseline_rows_in_bin)
        / nullif(compared.rows_used + compared.rows_baseline, 0) as pooled_share
    from {{ mlbridge.rows_of(ref('int_ml_compared_bins')) }} as compared
),

running as (
    select
        shares.*,
        sum(case when shares.bin >= 0 then shares.share - shares.baseline_share end) over (
            partition by
                shares.model, shares.version, shares.period, shares.window_start, shares.feature, shares.baseline
            order by shares.bin rows between unbounded preceding and current row
        ) as cdf_gap
    from shares
),

gaps as (
    -- the difference of the two distribution functions at the lower edge of the bin
    select
        running.*,
        case when running.bin >= 0 then running.cdf_gap - (running.share - running.baseline_share) end as cdf_gap_before
    from running
),

final as (
    select
        model,
        version,
        period,
        window_start,
        feature,
        baseline,
        kind,
        rows_all,
        rows_null,
        rows_used,
        baseline_rows_all,
        baseline_rows_null,
        rows_baseline,
        rows_new,
        sum(case when bin >= 0 then 1 else 0 end) as bins,
        max(categories_with_one_row) as categories_with_one_row,
        max(case when baseline = 'training' then partner_correlation end) as partner_correlation,
        {{ mlbridge.drift_metric_columns() }}
    from gaps
    group by
        model,
        version,
        period,
        window_start,
        feature,
        baseline,
        kind,
        rows_all,
        rows_null,
        rows_used,
        baseline_rows_all,
        baseline_rows_null, rows_baseline, rows_new
)

select * from final
