with flights as (
    select * from {{ ref('flights') }}
),

weather as (
    select * from {{ ref('weather') }}
),

-- A plane with fewer seats than any airliner is another one that carries the tail number now.
planes as (
    select *
    from {{ ref('planes') }}
    where seats >= 20
),

observed as (
    select
        questions.flight_id,
        weather.*
    from {{ ref('late_arrival_questions') }} as questions
    asof inner join weather
        on questions.origin = weather.origin and questions.predicted_at >= weather.observed_at
    -- Older than that it is no longer the weather of the day.
    where weather.observed_at >= questions.predicted_at - interval 6 hours
),

final as (
    select
        flights.flight_id,
        questions.predicted_at,
        flights.arrived_at,
        flights.arrival_delay >= 15 as is_late,
        flights.carrier,
        flights.origin,
        flights.destination,
        questions.route,
        flights.distance_miles,
        date_diff('minute', flights.scheduled_departure_at, flights.scheduled_arrival_at) as scheduled_minutes,
        hour(flights.scheduled_departure_local) * 60
        + minute(flights.scheduled_departure_local) as departure_minute,
        isodow(flights.scheduled_departure_local) as weekday,
        year(flights.scheduled_departure_local) - planes.year_built as plane_age,
        planes.seats,
        observed.temperature_f,
        observed.dew_point_f,
        observed.humidity,
        observed.wind_direction_deg,
        observed.wind_speed_mph,
        observed.wind_gust_mph,
        observed.precipitation_in,
        observed.pressure_mb,
        observed.visibility_miles,
        history.carrier_late_7d,
        history.carrier_late_28d,
        history.origin_late_1d,
        history.origin_late_7d,
        history.route_late_28d,
        history.route_flights_28d,
        history.destination_late_7d,
        today.origin_departure_delay_3h,
        today.origin_departures_3h,
        today.origin_waiting,
        today.carrier_departure_delay_3h,
        today.carrier_waiting
    from flights
    inner join {{ ref('late_arrival_questions') }} as questions on flights.flight_id = questions.flight_id
    inner join {{ ref('late_arrival_history') }} as history on flights.flight_id = history.flight_id
    inner join {{ ref('late_arrival_today') }} as today on flights.flight_id = today.flight_id
    left join observed on flights.flight_id = observed.flight_id
    left join planes on flights.tail_number = planes.tail_number
)

select *
from final
order by predicted_at, flight_id
