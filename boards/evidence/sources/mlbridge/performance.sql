-- The metric by which versions are chosen, of the version in use, on the rows whose outcome is known.
with measured as (
    select p.model, p.window_start, p.value, p.baseline, p.threshold
    from 'published/current/ml_performance.parquet' as p
    inner join 'published/current/ml_health.parquet' as h
        on p.model = h.model and p.version = h.version and p.metric = h.metric
    where p.slice = 'all' and p.kind = 'realized' and p.value is not null
)

select model, window_start, 'model' as series, value from measured
union all
select model, window_start, 'naive baseline' as series, baseline as value from measured
union all
select model, window_start, 'threshold' as series, threshold as value from measured
order by model, window_start, series
