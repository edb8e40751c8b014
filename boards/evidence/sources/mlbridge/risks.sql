-- The newest day that was scored, by risk, with your own keys and dimensions. Name your model instead of late_arrival.
select * exclude (scored_at, not_scored_because)
from 'published/current/ml_scores_late_arrival.parquet'
where local_date = (select max(local_date) from 'published/current/ml_scores_late_arrival.parquet' where probability > 0)
order by probability desc nulls last
limit 20
