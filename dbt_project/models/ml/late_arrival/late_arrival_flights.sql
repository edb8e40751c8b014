-- Each flight with the moment of its prediction, two hours before it should leave: only this model says so.
-- The tail number is that of the plane which flew; airlines assign it earlier as a rule, so it is taken as known.
with flights as (
    select * from {{ ref('flights') }}
),

final as (
    select
        flight_id,
        carrier,
        carrier || '-' || flight_number as flight_name,
        tail_number,
        origin,
        destination,
        origin || '-' || destination as route,
        distance_miles,
        scheduled_departure_at,
        scheduled_departure_local,
        scheduled_arrival_at,
        departed_at,
        arrived_at,
        departure_delay,
        arrival_delay,
        arrival_delay >= 15 as is_late,
        scheduled_departure_at - interval '2 hours' as predicted_at
    from flights
)

select * from final
