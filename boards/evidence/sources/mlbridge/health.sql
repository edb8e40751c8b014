select model, verdict, reason, action, metric, value, baseline, threshold, newest_row_at
from 'published/current/ml_health.parquet'
order by case verdict when 'act' then 1 when 'look' then 2 when 'cannot tell' then 3 else 4 end, model
