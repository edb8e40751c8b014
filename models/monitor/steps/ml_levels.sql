{{ config(materialized='ephemeral', access='private', contract={'enforced': false}) }}
-- How rare something must be to be called drift: so that of all features, metrics and baselines that are watched, in
-- all windows of a quarter, chance makes half an alert (Bonferroni 1936); `k` is the same in deviations of a normal
-- variable.
with watched as (
    select distinct
        model,
        version,
        feature,
        baseline,
        metric
    from ({{ mlbridge.one_row_per_metric() }}) as measured
    where period = 'scored'
),

counted as (
    select
        model,
        version,
        cast(count(*) as {{ mlbridge.type_double() }}) as checks
    from watched
    group by model, version
),

sizes as (
    select distinct
        model,
        version,
        case window_size when 'day' then 92 when 'week' then 13 else 3 end as windows_of_quarter
    from {{ ref('ml_windows') }}
),

levels as (
    select
        counted.model,
        counted.version,
        0.5e0 / (counted.checks * sizes.windows_of_quarter) as alpha
    from counted
    inner join sizes
        on counted.model = sizes.model and counted.version = sizes.version
)

select
    model,
    version,
    alpha,
    {{ mlbridge.normal_quantile('alpha') }} as k
from levels
