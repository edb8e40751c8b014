-- Two hours before the scheduled departure: all that the features say has to be known by then.
select
    flight_id,
    carrier,
    origin,
    destination,
    origin || '-' || destination as route,
    scheduled_departure_at - interval 2 hours as predicted_at
from {{ ref('flights') }}
