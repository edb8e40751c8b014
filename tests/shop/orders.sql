-- What one customer bought in one shop in one week; hash() is the noise, so the rows are the same everywhere.
select
    shop,
    customer_id,
    customer_id // 3 as household,
    date '2024-01-01' + cast(7 * week as integer) as week_from,
    cast(hash(customer_id, week) % 6 as integer) as visits,
    ['bread', 'fruit', 'fish', 'o''clock "tea"'][cast(1 + hash(customer_id, 1) % 4 as bigint)] as favourite,
    case when hash(customer_id, week, 2) % 9 > 0 then (hash(customer_id, week, 3) % 50) / 10.0 end as discount,
    (hash(customer_id, 4) % 80) + (hash(shop, customer_id, week) % 300) / 10.0 as amount
from
    (values ('north'), ('south')) as shops(shop),
    range(100) as customers(customer_id),
    range(26) as weeks(week)
