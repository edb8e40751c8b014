{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- The probability `alpha` with which chance may exceed each threshold: chosen so that over all features, metrics and
-- baselines that are compared, and all windows of a quarter, chance makes half an alert (Bonferroni 1936). `deviations`
-- is the normal quantile with this probability.
with watched as (
    select distinct
        model,
        version,
        feature,
        baseline,
        metric
    from {{ ref('int_ml_drift_long') }}
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
        on {{ mlbridge.same('counted', 'sizes', 'model, version') }}
)

select
    model,
    version,
    alpha,
    {{ mlbridge.normal_quantile('alpha') }} as deviations
from levels
