{{ config(materialized='ephemeral', access='private', contract={'enforced': false}) }}
-- How well each version probably does, whether outcomes are known or not. It holds while outcomes depend on the
-- features as they did on the validation rows.
{%- set keys = ['model', 'version', 'window_size', 'window_start', 'slice'] %}
{%- set key = keys | join(', ') %}
with grouped as (
    select
        {{ key }},
        class_no,
        0 as block,
        step as score,
        sum(n * value) as pos,
        sum(n * (1 - value)) as neg,
        sum(is_predicted * n * value) as tp,
        sum(is_predicted * n * (1 - value)) as fp,
        sum(companion_square - 2 * value * companion_sum + value * n) as brier,
        -- within a step by the chance of the outcome alone: value (1 - value) (1 - 2 score)^2 for each row
        power(sum(companion_square - 2 * value * companion_sum + value * n), 2) / sum(n)
        + sum(value * (1 - value) * (n - 4 * companion_sum + 4 * companion_square)) as brier_square,
        sum(value * (n - 2 * companion_sum + companion_square)) as brier_pos,
        cast(null as {{ mlbridge.type_double() }}) as log,
        cast(null as {{ mlbridge.type_double() }}) as log_square,
        cast(null as {{ mlbridge.type_double() }}) as log_pos
    from {{ ref('ml_expected') }}
    where step is not null
    group by {{ key }}, class_no, step
),

{{ mlbridge.classification_metrics('grouped', keys) }},

losses as (
    select
        {{ key }},
        sum(n) as n,
        sum(n) as events,
        sum(n * absolute) as absolute,
        sum(n * squared) as squared,
        sum(n * fourth) as fourth,
        sum(n * squared) / sum(n) as mean_squared
    from {{ ref('ml_expected') }}
    where leaf is not null
    group by {{ key }}
),

{% set unsaid = {'baseline': 'null', 'skill_se': 'null', 'support': 'n', 'low': 'null', 'high': 'null'} -%}
final as (
    select *
    from measured
    where metric <> 'log_loss'
    union all
    {{ mlbridge.long_form('losses', key ~ ', n, events', {
        'rmse': dict({'value': 'sqrt(mean_squared)',
            'se': 'sqrt(' ~ mlbridge.mean_variance('squared', 'fourth') ~ ') / nullif(2 * sqrt(mean_squared), 0)'}, **unsaid),
        'mae': dict({'value': 'absolute / n', 'se': 'sqrt(' ~ mlbridge.mean_variance('absolute', 'squared') ~ ')'}, **unsaid),
    }) }}
)

select * from final
