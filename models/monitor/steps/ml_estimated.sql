{{ config(materialized='ephemeral', access='private', contract={'enforced': false}) }}
-- How well each version probably does, whether outcomes are known or not. It holds while outcomes depend on the
-- features as they did on the validation rows.
{%- set keys = ['model', 'version', 'window_size', 'window_start', 'slice'] %}
{%- set key = keys | join(', ') %}
with grouped as (
    select
        {{ key }},
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
    from {{ ref('ml_expected') }}
    where step is not null
    group by {{ key }}, class_no, step
),

{{ mlbridge.classification_metrics('grouped', keys) }},

losses as (
    select
        {{ key }},
        sum(n) as n,
        sum(n * absolute) as absolute,
        sum(n * squared) as squared,
        sum(n * fourth) as fourth,
        sum(n * squared) / sum(n) as mean_squared
    from {{ ref('ml_expected') }}
    where leaf is not null
    group by {{ key }}
),

final as (
    select *
    from measured
    where metric <> 'log_loss'
    union all
    {{ mlbridge.long_form('losses', key, {
        'rmse': ['sqrt(mean_squared)', mlbridge.rmse_error()],
        'mae': ['absolute / n', mlbridge.mean_error('absolute', 'squared')],
    }) }}
)

select * from final
