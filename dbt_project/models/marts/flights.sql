with final as (
    select
        flight_id,
        carrier,
        flight_number,
        tail_number,
        origin,
        destination,
        distance_miles,
        scheduled_departure_at,
        scheduled_departure_local,
        scheduled_arrival_at,
        departed_at,
        arrived_at,
        departure_delay,
        arrival_delay,
        air_time,
        status
    from {{ ref('stg_flights') }}
)

select * from final
order by scheduled_departure_at, flight_id
