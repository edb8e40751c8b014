-- What is known about a flight two hours before it should leave. Neither the month nor the day of the year is here:
-- with one year of flights a model could only learn them by heart, and would do worse on the months that follow.
with flights as (
    select
        *,
        count(*) over (
            partition by origin
            order by scheduled_departure_at
            range between interval 30 minutes preceding and interval 30 minutes following
        ) as scheduled_departures_1h
    from {{ ref('late_arrival_flights') }}
),

history as (
    select * from {{ ref('late_arrival_history') }}
),

today as (
    select * from {{ ref('late_arrival_today') }}
),

weather as (
    select * from {{ ref('weather') }}
),

-- A tail number is reused: one with fewer seats than any airliner belongs to another plane now.
planes as (
    select * from {{ ref('planes') }}
    where seats >= 20
),

-- The latest observation by then, and the one three hours before it; nothing when the latest is an old one.
-- A row of weather is labelled with the beginning of its hour, but was observed during it (as a rule at minute 51),
-- and its precipitation is that of the whole hour. So it is known only when the hour is over.
observed as (
    select
        flights.flight_id,
        latest.temperature_f,
        latest.dew_point_f,
        latest.humidity,
        latest.wind_direction_deg,
        latest.wind_speed_mph,
        latest.precipitation_in,
        latest.visibility_miles,
        latest.pressure_mb - earlier.pressure_mb as pressure_change_mb
    from flights
    asof left join weather as latest
        on flights.origin = latest.origin and flights.predicted_at - interval 1 hour >= latest.observed_at
    left join weather as earlier
        on latest.origin = earlier.origin and latest.observed_at - to_hours(3) = earlier.observed_at
    where flights.predicted_at - latest.observed_at <= to_hours(4)
),

final as (
    select
        flights.flight_id,
        flights.predicted_at,
        flights.arrived_at,
        flights.is_late,
        flights.carrier,
        flights.origin,
        flights.destination,
        flights.route,
        flights.distance_miles,
        date_diff('minute', flights.scheduled_departure_at, flights.scheduled_arrival_at)
            as scheduled_minutes,
        date_diff('minute', flights.scheduled_departure_local::date, flights.scheduled_departure_local)
            as departure_minute,
        isodow(flights.scheduled_departure_local) as weekday,
        flights.scheduled_departures_1h,
        year(flights.scheduled_departure_local) - planes.year_built as plane_age,
        planes.seats,
        history.carrier_late_1d,
        history.carrier_late_28d,
        history.origin_arrival_delay_3h,
        history.destination_arrival_delay_6h,
        history.destination_late_7d,
        history.route_late_28d,
        history.route_arrivals_28d,
        history.flight_late_28d,
        today.origin_departure_delay_3h,
        today.origin_departures_3h,
        today.carrier_departure_delay_3h,
        today.origin_overdue,
        today.carrier_overdue,
        observed.temperature_f,
        observed.dew_point_f,
        observed.humidity,
        observed.wind_direction_deg,
        observed.wind_speed_mph,
        observed.precipitation_in,
        observed.visibility_miles,
        observed.pressure_change_mb
    from flights
    inner join history on flights.flight_id = history.flight_id
    inner join today on flights.flight_id = today.flight_id
    left join observed on flights.flight_id = observed.flight_id
    left join planes on flights.tail_number = planes.tail_number
)

select * from final
order by predicted_at, flight_id
