-- What is wrong now, a row for each cause. Where nothing is, one row says so, because Evidence keeps no table without rows.
with wrong as (
    select models, severity, message, action, since
    from 'published/current/ml_incidents.parquet'
    where severity <> 'note'
),

shown as (
    select * from wrong
    union all
    select null as models, 'none' as severity, 'Nothing is known to be wrong.' as message, null as action, null as since
    where not exists (select 1 from wrong)
)

select * from shown
order by case severity when 'act' then 1 else 2 end, since, models
