{{ mlbridge.grant() }}
{%- set start = mlbridge.quoted('window') -%}
with drifted as (
    select
        drift.*,
        drift.{{ start }} as window_start,
        greatest(coalesce(importances.mean, 0), 0) * abs(drift.value) / nullif(drift.threshold, 0) as weight
    from {{ ref('ml_drift') }} as drift
    inner join {{ ref('ml_champions') }} as champions
        on drift.model = champions.model and drift.version = champions.version
    left join {{ ref('ml_importances') }} as importances
        on
            drift.model = importances.model
            and drift.version = importances.version
            and drift.feature = importances.feature
    where drift.value is not null
),

performance as (
    select
        performance.*,
        performance.{{ start }} as window_start
    from {{ ref('ml_performance') }} as performance
    inner join {{ ref('ml_champions') }} as champions
        on performance.model = champions.model and performance.version = champions.version
    where performance.value is not null
),

-- The features that matter most and have moved most, in one text per window.
ranked as (
    select
        model,
        window_start,
        feature,
        value,
        row_number() over (partition by model, window_start order by weight desc, feature) as place
    from drifted
    where metric = 'psi' and baseline = 'training' and weight > 0
),

moved as (
    select
        model,
        window_start,
        {{ dbt.listagg("feature || ' (psi ' || " ~ mlbridge.figure('value') ~ " || ')'", "', '", 'order by place') }} as features
    from ranked
    where place <= 3
    group by model, window_start
),

watched as (
    select
        model,
        version,
        'drift' as about,
        {{ dbt.concat(["'drift of '", 'feature']) }} as what,
        window_start,
        window_end,
        max(case when alert then 1 else 0 end) as is_alert,
        {{ dbt.listagg(
            "case when alert then metric || ' ' || " ~ mlbridge.figure('value') ~ " || ' against ' || baseline || ' (threshold ' || "
            ~ mlbridge.figure('threshold') ~ " || ')' end", "', '", 'order by baseline desc, metric'
        ) }} as figures
    from drifted
    group by model, version, feature, window_start, window_end
    union all
    select
        model,
        version,
        'performance' as about,
        kind || ' performance' || case when slice = 'all' then '' else ' of ' || slice end as what,
        window_start,
        window_end,
        max(case when alert then 1 else 0 end) as is_alert,
        {{ dbt.listagg(
            "case when alert then metric || ' ' || " ~ mlbridge.figure('value') ~ " || ' (' || " ~ mlbridge.figure('low')
            ~ " || ' to ' || " ~ mlbridge.figure('high') ~ " || ', threshold ' || " ~ mlbridge.figure('threshold')
            ~ " || ', ' || " ~ mlbridge.figure('reference') ~ " || ' on validation and test)' end", "', '", 'order by metric'
        ) }} || ' on ' || cast(max(n) as {{ dbt.type_string() }}) || ' rows' as figures
    from performance
    group by model, version, kind, slice, window_start, window_end
),

placed as (
    select
        watched.*,
        max(window_start) over (partition by model, what) as newest,
        row_number() over (partition by model, what order by window_start)
        - row_number() over (partition by model, what, is_alert order by window_start) as run
    from watched
),

final as (
    select
        placed.model,
        placed.what,
        placed.window_start as {{ start }},
        placed.window_end,
        placed.version,
        placed.about,
        min(placed.window_start) over (partition by placed.model, placed.what, placed.is_alert, placed.run) as since,
        placed.window_start = placed.newest as is_current,
        placed.what || ': ' || placed.figures || case
            when placed.about = 'performance' then coalesce('; what moved most by importance: ' || moved.features, '')
            else ''
        end as message,
        placed.is_alert
    from placed
    left join moved on placed.model = moved.model and placed.window_start = moved.window_start
)

select
    model,
    what,
    {{ start }},
    window_end,
    version,
    about,
    since,
    is_current,
    message
from final
where is_alert = 1
