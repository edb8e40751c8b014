{% test performance_at_least(model, metric, value, kind='realized', slice='all') %}
  with measured as (
    select
      performance.*,
      rules.greater_is_better,
      row_number() over (order by performance.window_end desc) as recency_rank
    from {{ mlbridge.rows_of(ref('mlbridge', 'ml_performance')) }} as performance
    inner join {{ mlbridge.rows_of(ref('mlbridge', 'ml_champions')) }} as champions
      on performance.model = champions.model and performance.version = champions.version
    inner join {{ mlbridge.rows_of(ref('ml_thresholds')) }} as rules on performance.metric = rules.metric
    where
      performance.model = {{ mlbridge.text(mlbridge.tested_model(model)) }}
      and performance.metric = {{ mlbridge.text(metric) }}
      and performance.kind = {{ mlbridge.text(kind) }}
      and performance.slice = {{ mlbridge.text(slice) }}
      and performance.value is not null
      and {{ mlbridge.is_over('performance.window_end') }}
  )

  select *
  from measured
  where
    recency_rank = 1
    and case when greater_is_better then value < {{ value }} else value > {{ value }} end
{% endtest %}
