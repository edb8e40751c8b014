{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- Each window of each feature with its baselines: the rows of both, and how far the window lies outside the range of
-- training. A window of the training period is compared with the other windows of that period (baseline `training`),
-- because it is part of the whole; a category is new there if no other window of the period has it.
{%- set feature = 'model, version, period, feature' %}
with features as (
    select distinct
        model,
        version,
        feature,
        kind,
        last_bin,
        rows_all,
        rows_null
    from {{ ref('int_ml_reference_bins') }}
),

bins as (
    select
        bins.*,
        case
            when bins.bin = -2 then 'below'
            when features.kind = 'numeric' and bins.bin > features.last_bin then 'above'
        end as side,
        features.kind = 'category' and bins.period = 'training' and bins.bin >= 0 as is_named,
        sum(bins.rows_in_bin)
            over (partition by bins.model, bins.version, bins.period, bins.feature, bins.bin)
            as period_rows_in_bin
    from {{ mlbridge.rows_of(ref('int_ml_window_bins')) }} as bins
    inner join features
        on {{ mlbridge.same('bins', 'features', 'model, version, feature') }}
),

counted as (
    select
        {{ feature }},
        window_start,
        cast(sum(rows_in_bin) as {{ mlbridge.type_double() }}) as rows_all,
        cast(sum(case when bin = -1 then rows_in_bin else 0 end) as {{ mlbridge.type_double() }}) as rows_null,
        cast(
            sum(case when side is not null or is_named and rows_in_bin = period_rows_in_bin then rows_in_bin else 0 end)
            as {{ mlbridge.type_double() }}
        ) as rows_outside,
        coalesce(sum(case when side = 'below' then overshoot end), 0) as overshoot_below,
        coalesce(sum(case when side = 'above' then overshoot end), 0) as overshoot_above,
        max(rows_new) as rows_new
    from bins
    group by {{ feature }}, window_start
),

windows as (
    select
        counted.*,
        lag(counted.window_start) over (partition by {{ feature }} order by counted.window_start) as previous_start,
        sum(counted.rows_all) over (partition by {{ feature }}) - counted.rows_all as others_rows_all,
        sum(counted.rows_null) over (partition by {{ feature }}) - counted.rows_null as others_rows_null
    from counted
),

paired as (
    select
        windows.*,
        'training' as baseline,
        case when windows.period = 'training' then windows.others_rows_all else features.rows_all end
            as baseline_rows_all,
        case when windows.period = 'training' then windows.others_rows_null else features.rows_null end
            as baseline_rows_null,
        0 as baseline_overshoot_below,
        0 as baseline_overshoot_above
    from windows
    inner join features
        on {{ mlbridge.same('windows', 'features', 'model, version, feature') }}
    union all
    select
        windows.*,
        'previous' as baseline,
        earlier.rows_all as baseline_rows_all,
        earlier.rows_null as baseline_rows_null,
        earlier.overshoot_below as baseline_overshoot_below,
        earlier.overshoot_above as baseline_overshoot_above
    from windows
    inner join windows as earlier
        on
            {{ mlbridge.same('windows', 'earlier', 'model, version, period, feature') }}
            and windows.previous_start = earlier.window_start
),

final as (
    select
        {{ feature }},
        window_start,
        previous_start,
        rows_all,
        rows_null,
        rows_outside,
        overshoot_below,
        overshoot_above,
        rows_new,
        baseline,
        baseline_rows_all,
        baseline_rows_null,
        baseline_overshoot_below,
        baseline_overshoot_above
    from paired
)

select * from final
