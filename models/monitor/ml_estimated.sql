{{ config(materialized='ephemeral', access='private', contract={'enforced': false}) }}
-- How well each version probably does, whether outcomes are known or not: from the counts of its scores by step of their
-- calibration, or of its rows by leaf of the tree of losses. Both hold while outcomes depend on the features as they did.
{%- set fields = {
    'class_no': 'count', 'step': 'count', 'value': 'number', 'leaf': 'count', 'absolute': 'number', 'squared': 'number',
    'fourth': 'number',
} %}
{%- set keys = ['model', 'version', 'window_start', 'slice'] %}
with counted as (
    select
        counted.model,
        counted.version,
        counted.window_start,
        counted.slice,
        counted.bin,
        cast(counted.n as {{ mlbridge.type_double() }}) as n,
        counted.companion_sum,
        counted.companion_square
    from {{ ref('ml_distributions') }} as counted
    inner join {{ ref('ml_windows') }} as windows
        on
            counted.model = windows.model
            and counted.version = windows.version
            and counted.window_size = windows.window_size
            and counted.window_start = windows.window_start
    where counted.feature = 'ml_estimate' and counted.period = 'scored' and counted.bin >= 0
),

learnt as (
    select
        versions.model,
        versions.version,
        item.class_no,
        item.step,
        item.value,
        item.leaf,
        item.absolute,
        item.squared,
        item.fourth
    from {{ ref('ml_versions') }} as versions
    cross join lateral {{ mlbridge.unfold('versions.estimation', fields) }}
),

expected as (
    select
        counted.*,
        learnt.class_no,
        learnt.step,
        learnt.value,
        counted.bin % 2 as is_predicted
    from counted
    inner join learnt
        on
            counted.model = learnt.model
            and counted.version = learnt.version
            and learnt.step is not null
            and floor(counted.bin / 1000e0) = learnt.class_no
            and floor((counted.bin % 1000) / 2e0) = learnt.step
),

grouped as (
    select
        {{ keys | join(', ') }},
        class_no,
        step as score,
        sum(n * value) as pos,
        sum(n * (1 - value)) as neg,
        sum(is_predicted * n * value) as tp,
        sum(is_predicted * n * (1 - value)) as fp,
        sum(companion_square - 2 * value * companion_sum + value * n) as brier,
        -- within a step by the chance of the outcome alone: value (1 - value) (1 - 2 score)^2 for each row
        power(sum(companion_square - 2 * value * companion_sum + value * n), 2) / sum(n)
        + sum(value * (1 - value) * (n - 4 * companion_sum + 4 * companion_square)) as brier_square,
        cast(null as {{ mlbridge.type_double() }}) as log,
        cast(null as {{ mlbridge.type_double() }}) as log_square
    from expected
    group by {{ keys | join(', ') }}, class_no, step
),

{{ mlbridge.classification_metrics('grouped', keys) }},

losses as (
    select
        counted.model,
        counted.version,
        counted.window_start,
        counted.slice,
        sum(counted.n) as n,
        sum(counted.n * learnt.absolute) as absolute,
        sum(counted.n * learnt.squared) as squared,
        sum(counted.n * learnt.fourth) as fourth,
        sum(counted.n * learnt.squared) / sum(counted.n) as mean_squared
    from counted
    inner join learnt
        on counted.model = learnt.model and counted.version = learnt.version and counted.bin = learnt.leaf
    group by counted.model, counted.version, counted.window_start, counted.slice
),

final as (
    select *
    from measured
    where metric <> 'log_loss'
    union all
    {{ mlbridge.long_form('losses', keys | join(', '), {
        'rmse': ['sqrt(mean_squared)', mlbridge.rmse_error()],
        'mae': ['absolute / n', mlbridge.mean_error('absolute', 'squared')],
    }) }}
)

select * from final
