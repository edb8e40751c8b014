{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- Of each version in use the newest figure of the metric by which versions are chosen, over all rows: realized where
-- there is one, in a window that is over and has enough rows if there is one.
with models as (
    {{ mlbridge.declared_models() }}
),

ranked as (
    select
        performance.*,
        row_number() over (
            partition by performance.model
            order by
                case when performance.kind = 'realized' then 0 else 1 end,
                case
                    when performance.is_comparable then 0
                    when {{ mlbridge.is_over('performance.window_end') }} then 1
                    else 2
                end,
                performance.window_end desc
        ) as preference
    from {{ mlbridge.rows_of(ref('ml_performance')) }} as performance
    inner join {{ mlbridge.rows_of(ref('ml_champions')) }} as champions
        on {{ mlbridge.same('performance', 'champions', 'model, version') }}
    inner join models
        on {{ mlbridge.same('performance', 'models', 'model, metric') }}
    where performance.slice = 'all' and performance.value is not null
),

final as (
    select
        model,
        kind,
        metric,
        value,
        low,
        high,
        n,
        baseline,
        threshold,
        reference,
        {{ mlbridge.quoted('window') }} as window_start,
        window_end,
        muted
    from ranked
    where preference = 1
)

select * from final
