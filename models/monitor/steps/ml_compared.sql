{{ config(materialized='ephemeral', access='private', contract={'enforced': false}) }}
-- Each window beside its baselines, bin by bin: `n` rows of `rows_used` in the window, `m` of `rows_baseline`; their
-- values add up to `n_sum` and `m_sum`, NULL where that is not known.
with whole as (
    select distinct
        model,
        version,
        period,
        feature,
        bin,
        n_period,
        value_period
    from {{ ref('ml_placed') }}
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
        pairs.below,
        pairs.above,
        pairs.rows_new,
        pairs.rows_all - pairs.rows_null as rows_used,
        pairs.baseline_all,
        pairs.baseline_null,
        pairs.baseline_below,
        pairs.baseline_above,
        pairs.baseline_all - pairs.baseline_null as rows_baseline,
        folded.kind,
        folded.std,
        folded.unnamed,
        folded.singles,
        folded.partner_correlation,
        folded.bin,
        folded.lower,
        folded.upper,
        coalesce(own.n, 0) as n,
        case
            when pairs.baseline = 'previous' then coalesce(earlier.n, 0)
            when pairs.period = 'training' then coalesce(whole.n_period, 0) - coalesce(own.n, 0)
            else folded.m
        end as m,
        case when coalesce(own.n, 0) = 0 then 0 else own.value_sum end as n_sum,
        case
            when pairs.baseline = 'previous' and coalesce(earlier.n, 0) = 0 then 0
            when pairs.baseline = 'previous' then earlier.value_sum
            when pairs.period = 'training' then whole.value_period - coalesce(own.value_sum, 0)
            else folded.value_sum
        end as m_sum,
        case when pairs.period = 'training' then own.mean_others else folded.partner_mean end as partner_mean,
        own.companions,
        own.companion_sum,
        own.companion_square
    from {{ ref('ml_pairs') }} as pairs
    inner join {{ ref('ml_folded') }} as folded
        on pairs.model = folded.model and pairs.version = folded.version and pairs.feature = folded.feature
    left join {{ ref('ml_placed') }} as own
        on
            pairs.model = own.model
            and pairs.version = own.version
            and pairs.period = own.period
            and pairs.window_start = own.window_start
            and pairs.feature = own.feature
            and folded.bin = own.bin
    left join {{ ref('ml_placed') }} as earlier
        on
            pairs.model = earlier.model
            and pairs.version = earlier.version
            and pairs.period = earlier.period
            and pairs.previous_start = earlier.window_start
            and pairs.feature = earlier.feature
            and folded.bin = earlier.bin
    left join whole
        on
            pairs.model = whole.model
            and pairs.version = whole.version
            and pairs.period = whole.period
            and pairs.feature = whole.feature
            and folded.bin = whole.bin
)

select * from final
