-- What is known about a flight two hours before it should leave. Neither the month nor the day of the year is here:
-- with one year of flights a model could only learn them by heart, and would do worse on the months that follow.
with flights as (
    select
        *,
        count(*) over (
            partition by origin
            order by scheduled_departure_at
            range between interval '30 minutes' preceding and interval '30 minutes' following
        ) as scheduled_departures_1h
    from {{ ref('late_arrival_flights') }}
),

history as (
    select * from {{ ref('late_arrival_history') }}
),

today as (
    select * from {{ ref('late_arrival_today') }}
),

weather as not materialized (
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
    {{ as_of_join(
        'weather', 'latest', key='origin', time='observed_at',
        equals='flights.origin', moment="flights.predicted_at - interval '1 hour'"
    ) }}
    left join weather as earlier
        on latest.origin = earlier.origin and latest.observed_at - interval '3 hours' = earlier.observed_at
    where flights.predicted_at - latest.observed_at <= interval '4 hours'
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
        {{ minutes_between('flights.scheduled_departure_at', 'flights.scheduled_arrival_at') }}
            as scheduled_minutes,
        {{ minutes_between(
            "date_trunc('day', flights.scheduled_departure_local)", 'flights.scheduled_departure_local'
        ) }} as departure_minute,
        extract(isodow from flights.scheduled_departure_local)::bigint as weekday,
        flights.scheduled_departures_1h,
        extract(year from flights.scheduled_departure_local)::bigint - planes.year_built as plane_age,
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
