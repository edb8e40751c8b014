-- What is wrong now. Where nothing is, one row says so, because Evidence keeps no table without rows.
with wrong as (
    select model, severity, message, action, since
    from 'published/current/ml_alerts.parquet'
    where is_current and severity <> 'note'
),

shown as (
    select * from wrong
    union all
    select null as model, 'none' as severity, 'Nothing is known to be wrong.' as message, null as action, null as since
    where not exists (select 1 from wrong)
)

select * from shown
order by case severity when 'act' then 1 else 2 end, model, since
