{{ config(materialized='ephemeral', access='private', contract={'enforced': false}) }}
-- Each window of each feature with its baselines: how many rows each has, and how far they lie outside the range of
-- training. A window of the training period has the other windows of that period as its baseline `training`: beside
-- itself it would look too much alike.
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
    from {{ ref('ml_folded') }}
),

bins as (
    select
        bins.*,
        case
            when bins.bin = -2 then 'below'
            when features.kind = 'numeric' and bins.bin > features.last_bin then 'above'
        end as side
    from {{ ref('ml_bins') }} as bins
    inner join features
        on bins.model = features.model and bins.version = features.version and bins.feature = features.feature
),

counted as (
    select
        {{ feature }},
        window_start,
        cast(sum(n) as {{ mlbridge.type_double() }}) as rows_all,
        cast(sum(case when bin = -1 then n else 0 end) as {{ mlbridge.type_double() }}) as rows_null,
        cast(sum(case when side is not null then n else 0 end) as {{ mlbridge.type_double() }}) as rows_outside,
        coalesce(sum(case when side = 'below' then overshoot end), 0) as below,
        coalesce(sum(case when side = 'above' then overshoot end), 0) as above,
        max(rows_new) as rows_new
    from bins
    group by {{ feature }}, window_start
),

windows as (
    select
        counted.*,
        lag(counted.window_start) over (partition by {{ feature }} order by counted.window_start) as previous_start,
        sum(counted.rows_all) over (partition by {{ feature }}) - counted.rows_all as others_all,
        sum(counted.rows_null) over (partition by {{ feature }}) - counted.rows_null as others_null
    from counted
),

paired as (
    select
        windows.*,
        'training' as baseline,
        case when windows.period = 'training' then windows.others_all else features.rows_all end as baseline_all,
        case when windows.period = 'training' then windows.others_null else features.rows_null end as baseline_null,
        0 as baseline_below,
        0 as baseline_above
    from windows
    inner join features
        on windows.model = features.model and windows.version = features.version and windows.feature = features.feature
    union all
    select
        windows.*,
        'previous' as baseline,
        earlier.rows_all as baseline_all,
        earlier.rows_null as baseline_null,
        earlier.below as baseline_below,
        earlier.above as baseline_above
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
        {{ feature }},
        window_start,
        previous_start,
        rows_all,
        rows_null,
        rows_outside,
        below,
        above,
        rows_new,
        baseline,
        baseline_all,
        baseline_null,
        baseline_below,
        baseline_above
    from paired
)

select * from final
