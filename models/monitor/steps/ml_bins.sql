{{ config(materialized='ephemeral', access='private', contract={'enforced': false}) }}
-- Every distribution that is compared: the scored windows, and the windows of the training period as their reference.
-- Of the prediction that reference is the validation and the test rows, which no fit has seen.
{%- set fields = {'window_size': 'text', 'window': 'text', 'metric': 'text', 'bin': 'count', 'n': 'count'} %}
with sizes as (
    select distinct
        model,
        version,
        window_size
    from {{ ref('ml_windows') }}
),

counted as (
    select
        counted.model,
        counted.version,
        counted.period,
        counted.window_start,
        counted.feature,
        counted.bin,
        counted.n,
        counted.value_sum,
        counted.overshoot,
        counted.companions,
        counted.companion_sum,
        counted.companion_square,
        counted.rows_new
    from {{ ref('ml_distributions') }} as counted
    inner join sizes
        on
            counted.model = sizes.model
            and counted.version = sizes.version
            and counted.window_size = sizes.window_size
    where counted.feature <> 'ml_estimate'
),

predicted as (
    select
        item.model,
        item.version,
        'training' as period,
        cast(item.{{ mlbridge.quoted('window') }} as timestamp) as window_start,
        'ml_prediction' as feature,
        item.bin,
        item.n
    from {{ mlbridge.unfold(ref('ml_versions'), 'reference', ['model', 'version'], fields) }} as item
    inner join sizes
        on
            item.model = sizes.model
            and item.version = sizes.version
            and item.window_size = sizes.window_size
    where item.metric = 'ml_prediction'
),

final as (
    select * from counted
    union all
    select
        model,
        version,
        period,
        window_start,
        feature,
        bin,
        sum(n) as n,
        null as value_sum,
        null as overshoot,
        0 as companions,
        null as companion_sum,
        null as companion_square,
        null as rows_new
    from predicted
    group by model, version, period, window_start, feature, bin
)

select * from final
