{{ config(materialized='ephemeral', access='private', contract={'enforced': false}) }}
-- Each window of each feature with its baselines: how many rows each has, and how far they lie outside the range of
-- training. A window of the training period has the other windows of that period as its baseline `training`: beside
-- itself it would look too much alike.
{%- set feature = 'model, version, period, feature' %}
with counted as (
    select
        {{ feature }},
        window_start,
        cast(sum(n) as {{ mlbridge.type_double() }}) as rows_all,
        cast(sum(case when bin = -1 then n else 0 end) as {{ mlbridge.type_double() }}) as rows_null,
        cast(sum(case when bin = -2 then n else 0 end) as {{ mlbridge.type_double() }}) as rows_below,
        coalesce(sum(case when bin = -2 then overshoot end), 0) as below,
        coalesce(sum(case when bin <> -2 then overshoot end), 0) as above,
        max(rows_new) as rows_new
    from {{ ref('ml_bins') }}
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

features as (
    select distinct
        model,
        version,
        feature,
        rows_all,
        rows_null
    from {{ ref('ml_folded') }}
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
        rows_below,
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
