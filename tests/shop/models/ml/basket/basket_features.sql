{{ config(materialized='table') }}
select
    shop,
    customer_id,
    household,
    week_from,
    next_known_at,
    visits,
    favourite,
    discount,
    amount_of_four_weeks,
    case when next_amount < 40 then 'small' when next_amount < 70 then 'middle' when next_amount >= 70 then 'large' end
        as next_basket
from {{ ref('weeks') }}
