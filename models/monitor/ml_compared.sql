{{ config(materialized='ephemeral', access='private', contract={'enforced': false}) }}
-- Each window beside its baselines, bin by bin: `n` rows of `rows_used` in the window, `m` of `rows_baseline`. Values
-- outside the range of training stand in the outer bins, categories that training did not have in the last one. A window
-- of the training period is compared with the other windows of that period: beside itself it would look too alike.
with profile as (
    select
        model,
        version,
        feature,
        kind,
        case when kind = 'category' and bin > {{ mlbridge.folded() }} then {{ mlbridge.folded() }} else bin end as bin,
        min(lower) as lower,
        max(upper) as upper,
        cast(sum(rows) as {{ mlbridge.type_double() }}) as m,
        max(partner_mean) as partner_mean,
        max(partner_correlation) as partner_correlation,
        max(std) as std,
        -- whether it names every category that training had
        sum(case when kind = 'category' and bin >= 0 and category is null then rows else 0 end) as unnamed
    from {{ ref('ml_profiles') }}
    group by 1, 2, 3, 4, 5
),

features as (
    select
        model,
        version,
        feature,
        kind,
        max(bin) as last_bin,
        max(std) as std,
        max(partner_correlation) as partner_correlation,
        sum(unnamed) as unnamed,
        sum(m) as rows_all,
        sum(case when bin = -1 then m else 0 end) as rows_null
    from profile
    group by model, version, feature, kind
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
        cast(sum(bins.n) as {{ mlbridge.type_double() }}) as n,
        cast(sum(bins.companions) as {{ mlbridge.type_double() }}) as companions,
        sum(bins.companion_sum) as companion_sum,
        sum(bins.companion_square) as companion_square
    from {{ ref('ml_bins') }} as bins
    inner join features
        on bins.model = features.model and bins.version = features.version and bins.feature = features.feature
    group by 1, 2, 3, 4, 5, 6
),

counted as (
    select
        bins.model,
        bins.version,
        bins.period,
        bins.window_start,
        bins.feature,
        lag(bins.window_start) over (
            partition by bins.model, bins.version, bins.period, bins.feature order by bins.window_start
        ) as previous_start,
        cast(sum(bins.n) as {{ mlbridge.type_double() }}) as rows_all,
        cast(sum(case when bins.bin = -1 then bins.n else 0 end) as {{ mlbridge.type_double() }}) as rows_null,
        cast(sum(case when bins.bin = -2 then bins.n else 0 end) as {{ mlbridge.type_double() }}) as rows_below,
        coalesce(sum(case when bins.bin = -2 then bins.overshoot end), 0) as below,
        coalesce(sum(case when bins.bin <> -2 then bins.overshoot end), 0) as above,
        max(bins.rows_new) as rows_new
    from {{ ref('ml_bins') }} as bins
    group by bins.model, bins.version, bins.period, bins.window_start, bins.feature
),

windows as (
    select
        counted.*,
        sum(rows_all) over (partition by model, version, period, feature) as period_all,
        sum(rows_null) over (partition by model, version, period, feature) as period_null
    from counted
),

others as (
    select
        placed.*,
        sum(n) over (partition by model, version, period, feature, bin) - n as n_others,
        (sum(companion_sum) over (partition by model, version, period, feature, bin) - companion_sum)
        / nullif(sum(companions) over (partition by model, version, period, feature, bin) - companions, 0) as mean_others
    from placed
),

sums as (
    select
        model,
        version,
        feature,
        bin,
        sum(n) as n
    from placed
    where period = 'training'
    group by model, version, feature, bin
),

pairs as (
    select
        windows.*,
        'training' as baseline,
        case when windows.period = 'training' then windows.period_all - windows.rows_all else features.rows_all end
            as baseline_all,
        case when windows.period = 'training' then windows.period_null - windows.rows_null else features.rows_null end
            as baseline_null,
        0 as baseline_below,
        0 as baseline_above
    from windows
    inner join features
        on windows.model = features.model and windows.version = features.version and windows.feature = features.feature
    union all
    select
        windows.*,
        'previous' as baseline,
        earlier.rows_all,
        earlier.rows_null,
        earlier.below,
        earlier.above
    from windows
    inner join windows as earlier
        on
            windows.model = earlier.model
            and windows.version = earlier.version
            and windows.period = earlier.period
            and windows.feature = earlier.feature
            and windows.previous_start = earlier.window_start
),

final as (
    select
        pairs.*,
        features.kind,
        features.std,
        features.last_bin,
        features.unnamed,
        features.partner_correlation,
        profile.bin,
        profile.lower,
        profile.upper,
        case when pairs.period = 'training' then placed.mean_others else profile.partner_mean end as partner_mean,
        coalesce(placed.n, 0) as n,
        case
            when pairs.baseline = 'previous' then coalesce(earlier.n, 0)
            when pairs.period = 'training' then coalesce(placed.n_others, sums.n, 0)
            else profile.m
        end as m,
        placed.companions,
        placed.companion_sum,
        placed.companion_square,
        pairs.rows_all - pairs.rows_null as rows_used,
        pairs.baseline_all - pairs.baseline_null as rows_baseline
    from pairs
    inner join features
        on pairs.model = features.model and pairs.version = features.version and pairs.feature = features.feature
    inner join profile
        on pairs.model = profile.model and pairs.version = profile.version and pairs.feature = profile.feature
    left join sums
        on
            pairs.model = sums.model
            and pairs.version = sums.version
            and pairs.feature = sums.feature
            and profile.bin = sums.bin
    left join others as placed
        on
            pairs.model = placed.model
            and pairs.version = placed.version
            and pairs.period = placed.period
            and pairs.window_start = placed.window_start
            and pairs.feature = placed.feature
            and profile.bin = placed.bin
    left join placed as earlier
        on
            pairs.model = earlier.model
            and pairs.version = earlier.version
            and pairs.period = earlier.period
            and pairs.previous_start = earlier.window_start
            and pairs.feature = earlier.feature
            and profile.bin = earlier.bin
)

select * from final
