{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- Value, naive baseline and skill of each version in the windows of its validation and test rows, without windows that
-- hold fewer than half the average rows. Versions of before 0.6 did not record baselines by window: for them over the
-- test rows as a whole, with a NULL window.
{%- set versions = mlbridge.rows_of(ref('ml_versions')) %}
{%- set fields = {
    'window_size': 'text', 'window': 'text', 'slice': 'text', 'metric': 'text', 'value': 'number', 'baseline': 'number',
    'n': 'count',
} %}
{%- set of_test = {
    'split': 'text', 'slice': 'text', 'metric': 'text', 'value': 'number', 'baseline': 'number', 'n': 'count',
} %}
{%- set trained = "source.outcome <> 'runner_up'" %}
{%- set key = 'model, version, slice, metric' %}
with sizes as (
    select distinct
        model,
        version,
        window_size
    from {{ ref('ml_windows') }}
),

windows as (
    select
        item.model,
        item.version,
        item.slice,
        item.metric,
        cast(item.{{ mlbridge.named('window') }} as timestamp) as window_start,
        item.value,
        item.baseline,
        cast(item.n as {{ mlbridge.type_double() }}) as n,
        avg(cast(item.n as {{ mlbridge.type_double() }})) over (
            partition by item.model, item.version, item.slice, item.metric
        ) as n_typical
    from {{ mlbridge.unfold(versions, 'reference', ['model', 'version'], fields) }} as item
    inner join sizes
        on {{ mlbridge.same('item', 'sizes', 'model, version, window_size') }}
    where item.value is not null and item.baseline is not null
),

as_a_whole as (
    select
        item.model,
        item.version,
        item.slice,
        item.metric,
        cast(null as timestamp) as window_start,
        item.value,
        item.baseline,
        cast(item.n as {{ mlbridge.type_double() }}) as n
    from {{ mlbridge.unfold(versions, 'metrics', ['model', 'version'], of_test, trained) }} as item
    where
        item.split = 'test'
        and item.value is not null
        and item.baseline is not null
        and not exists (
            select 1
            from windows
            where {{ mlbridge.same('windows', 'item', 'model, version') }}
        )
),

found as (
    select {{ key }}, window_start, value, baseline, n
    from windows
    where n >= n_typical / 2
    union all
    select {{ key }}, window_start, value, baseline, n
    from as_a_whole
),

final as (
    select
        found.{{ key | replace(', ', ', found.') }},
        found.window_start,
        found.value,
        found.baseline,
        found.n,
        (found.value - found.baseline)
        / nullif(case when rules.greater_is_better then 1 else 0 end - found.baseline, 0) as skill
    from found
    inner join {{ mlbridge.rows_of(ref('ml_thresholds')) }} as rules
        on found.metric = rules.metric
)

select * from final
where skill is not null
