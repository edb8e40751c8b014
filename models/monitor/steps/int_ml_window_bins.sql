{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- The counts of every window that is compared: scored windows, and as their reference the windows of the training
-- period. The reference of the prediction is the validation and test rows, on which the model was not fitted.
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
        counted.n as rows_in_bin,
        counted.value_sum,
        counted.overshoot,
        counted.companions,
        counted.companion_sum,
        counted.companion_square,
        counted.rows_new
    from {{ mlbridge.rows_of(ref('ml_distributions')) }} as counted
    inner join sizes
        on {{ mlbridge.same('counted', 'sizes', 'model, version, window_size') }}
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
        item.n as rows_in_bin
    from {{ mlbridge.unfold(mlbridge.rows_of(ref('ml_versions')), 'reference', ['model', 'version'], fields) }} as item
    inner join sizes
        on {{ mlbridge.same('item', 'sizes', 'model, version, window_size') }}
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
        sum(rows_in_bin) as rows_in_bin,
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
