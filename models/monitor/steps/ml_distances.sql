{{ config(materialized='ephemeral', access='private', contract={'enforced': false}) }}
-- How far each window is from its baseline, one column per metric; formulas and their sources are in docs/monitor.md.
with shares as (
    select
        compared.*,
        compared.n / nullif(compared.rows_used, 0) as p,
        compared.m / nullif(compared.rows_baseline, 0) as q,
        (compared.n + compared.m) / nullif(compared.rows_used + compared.rows_baseline, 0) as pooled
    from {{ ref('ml_compared') }} as compared
),

running as (
    select
        shares.*,
        sum(case when shares.bin >= 0 then shares.p - shares.q end) over (
            partition by
                shares.model, shares.version, shares.period, shares.window_start, shares.feature, shares.baseline
            order by shares.bin rows between unbounded preceding and current row
        ) as gap
    from shares
),

gaps as (
    -- the distance of the two distribution functions at the lower end of the bin
    select
        running.*,
        case when running.bin >= 0 then running.gap - (running.p - running.q) end as gap_before
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
        baseline_all,
        baseline_null,
        rows_baseline,
        rows_new,
        sum(case when bin >= 0 then 1 else 0 end) as bins,
        max(singles) as singles,
        sum(case when bin >= 0 then {{ mlbridge.psi_term() }} end) as psi,
        -- a share of 0 adds nothing
        sum(
            case
                when bin >= 0 and p + q > 0
                    then
                        case when p > 0 then p * ln(2 * p / (p + q)) else 0 end
                        + case when q > 0 then q * ln(2 * q / (p + q)) else 0 end
            end
        ) / 2 as divergence,
        max(case when kind = 'numeric' and bin >= 0 then abs(gap) end) as ks,
        (
            sum(case when bin >= 0 then {{ mlbridge.area_of_bin() }} end)
            + abs(max(below) / nullif(rows_used, 0) - max(baseline_below) / nullif(rows_baseline, 0))
            + abs(max(above) / nullif(rows_used, 0) - max(baseline_above) / nullif(rows_baseline, 0))
        ) / nullif(max(std), 0) as wasserstein,
        sum(
            case
                when kind = 'category' and bin >= 0 and n + m > 0
                    then
                        (p - pooled) * (p - pooled) / pooled * rows_used
                        + (q - pooled) * (q - pooled) / pooled * rows_baseline
            end
        ) as chi_square,
        max(
            case
                when baseline = 'training' and (kind = 'numeric' or unnamed = 0)
                    then rows_outside / nullif(rows_used, 0)
            end
        ) as unseen_share,
        max(case when baseline = 'training' then partner_correlation end) as partner_correlation,
        {{ mlbridge.correlation('partner_mean', 'companions', 'companion_sum', 'companion_square') }} as correlation,
        abs(
            sum(case when partner_mean is not null then companion_sum end) - sum(partner_mean * companions)
        ) / nullif(sum(case when partner_mean is not null then companions end), 0) as association_shift
    from gaps
    group by
        model, version, period, window_start, feature, baseline, kind, rows_all, rows_null, rows_used, baseline_all,
        baseline_null, rows_baseline, rows_new
)

select * from final
