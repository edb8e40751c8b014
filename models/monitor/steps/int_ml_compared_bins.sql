{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- Each window beside its baselines, bin by bin: `rows_in_bin` of `rows_used` in the window, `baseline_rows_in_bin` of
-- `rows_baseline` in the baseline. `value_sum` and `baseline_value_sum` are the sums of their values, NULL where not
-- known.
with whole as (
    select distinct
        model,
        version,
        period,
        feature,
        bin,
        period_rows_in_bin,
        period_value_sum
    from {{ ref('int_ml_aligned_bins') }}
),

final as (
    select
        pairs.model,
        pairs.version,
        pairs.period,
        pairs.window_start,
        pairs.feature,
        pairs.baseline,
        pairs.rows_all,
        pairs.rows_null,
        pairs.rows_outside,
        pairs.overshoot_below,
        pairs.overshoot_above,
        pairs.rows_new,
        pairs.rows_all - pairs.rows_null as rows_used,
        pairs.baseline_rows_all,
        pairs.baseline_rows_null,
        pairs.baseline_overshoot_below,
        pairs.baseline_overshoot_above,
        pairs.baseline_rows_all - pairs.baseline_rows_null as rows_baseline,
        reference.kind,
        reference.std,
        reference.rows_unnamed,
        reference.categories_with_one_row,
        reference.partner_correlation,
        reference.bin,
        reference.lower,
        reference.upper,
        coalesce(own.rows_in_bin, 0) as rows_in_bin,
        case
            when pairs.baseline = 'previous' then coalesce(earlier.rows_in_bin, 0)
            when pairs.period = 'training' then coalesce(whole.period_rows_in_bin, 0) - coalesce(own.rows_in_bin, 0)
            else reference.rows_in_bin
        end as baseline_rows_in_bin,
        case when coalesce(own.rows_in_bin, 0) = 0 then 0 else own.value_sum end as value_sum,
        case
            when pairs.baseline = 'previous' and coalesce(earlier.rows_in_bin, 0) = 0 then 0
            when pairs.baseline = 'previous' then earlier.value_sum
            when pairs.period = 'training' then whole.period_value_sum - coalesce(own.value_sum, 0)
            else reference.value_sum
        end as baseline_value_sum,
        case when pairs.period = 'training' then own.partner_mean_of_others else reference.partner_mean end
            as partner_mean,
        own.companions,
        own.companion_sum,
        own.companion_square
    from {{ mlbridge.rows_of(ref('int_ml_window_pairs')) }} as pairs
    inner join {{ mlbridge.rows_of(ref('int_ml_reference_bins')) }} as reference
        on {{ mlbridge.same('pairs', 'reference', 'model, version, feature') }}
    left join {{ mlbridge.rows_of(ref('int_ml_aligned_bins')) }} as own
        on
            {{ mlbridge.same('pairs', 'own', 'model, version, period, window_start, feature') }}
            and reference.bin = own.bin
    left join {{ mlbridge.rows_of(ref('int_ml_aligned_bins')) }} as earlier
        on
            {{ mlbridge.same('pairs', 'earlier', 'model, version, period') }}
            and pairs.previous_start = earlier.window_start
            and pairs.feature = earlier.feature
            and reference.bin = earlier.bin
    left join whole
        on
            {{ mlbridge.same('pairs', 'whole', 'model, version, period, feature') }}
            and reference.bin = whole.bin
)

select * from final
