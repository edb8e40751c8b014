select
    shop,
    customer_id,
    household,
    cast(week_from as timestamp) as week_from,
    cast(week_from + 7 as timestamp) as next_known_at,
    visits,
    favourite,
    discount,
    amount,
    avg(amount) over (partition by shop, customer_id order by week_from rows between 3 preceding and current row)
        as amount_of_four_weeks,
    lead(amount) over (partition by shop, customer_id order by week_from) as next_amount
from {{ ref('stg_orders') }}
