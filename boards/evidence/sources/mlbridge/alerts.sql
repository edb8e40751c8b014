select model, severity, message, action, since
from 'published/current/ml_alerts.parquet'
where is_current and severity <> 'note'
order by case severity when 'act' then 1 else 2 end, model, since
