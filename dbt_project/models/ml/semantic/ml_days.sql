-- The days of the flights and of the predictions about them: what MetricFlow counts time by.
select cast(days.day as date) as day
from generate_series(date '2013-01-01', date '2014-12-31', interval '1 day') as days (day)
