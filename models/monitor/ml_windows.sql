{{ mlbridge.grant() }}
{{ config(materialized='table') }}
{% call(name) mlbridge.each_model() %}
{%- set split = ref(name ~ '_split') -%}
{%- set spec = dict(mlbridge.spec(name), training=ref(name ~ '_training')) -%}
{%- set size = mlbridge.monitor(name).window %}
select
    model,
    version,
    '{{ size }}' as window_size,
    window_start,
    {{ mlbridge.window_end("'" ~ size ~ "'", 'window_start') }} as window_end,
    count(*) as rows_scored,
    cast(sum(is_new) as bigint) as rows_new,
    count(outcome) as rows_labelled,
    -- changes when an outcome is corrected
    coalesce(sum(outcome * (1 + abs(score))), 0) as label_sum
from (
    select
        {{ mlbridge.text(name) }} as model,
        predictions.version,
        {{ mlbridge.window_start(size, 'predictions.time') }} as window_start,
        case when {{ mlbridge.is_new('predictions', 'versions') }} then 1 else 0 end as is_new,
        coalesce(predictions.probability, predictions.prediction_value) as score,
        {{ mlbridge.outcome_number(split, spec, 'facts') }} as outcome
    from {{ ref(name ~ '_predictions') }} as predictions
    inner join {{ ref('ml_versions') }} as versions
        on
            predictions.version = versions.version
            and versions.model = {{ mlbridge.text(name) }}
            and versions.outcome <> 'runner_up'
    left join {{ split }} as facts
        on {{ mlbridge.same_row('predictions', 'facts', spec) }}
    where
        predictions.target = {{ mlbridge.text(spec.target) }}
        and predictions.prediction is not null
        and {{ mlbridge.monitored('predictions', 'versions') }}
) as scored
group by model, version, window_start
{% endcall %}
