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

weather as (
    select * from {{ ref('weather') }}
),

-- A tail number is reused: one with fewer seats than any airliner belongs to another plane now.
planes as (
    select * from {{ ref('planes') }}
    where seats >= 20
),

-- The latest observation by then; nothing when that is an old one. A row of weather is labelled with the beginning of
-- its hour, but was observed during it (as a rule at minute 51), and its precipitation is that of the whole hour. So it
-- is known only when the hour is over.
with_weather as (
    {{ mlbridge.point_in_time('flights', 'predicted_at', [{
        'view': ref('weather'),
        'columns': [
            'observed_at', 'temperature_f', 'dew_point_f', 'humidity', 'wind_direction_deg', 'wind_speed_mph',
            'precipitation_in', 'visibility_miles', 'pressure_mb',
        ],
        'embargo': '1 hour',
        'look_back': '4 hours',
    }]) }}
),

-- With the change of pressure since the observation three hours before it.
observed as (
    select
        with_weather.*,
        with_weather.pressure_mb - earlier.pressure_mb as pressure_change_mb
    from with_weather
    left join weather as earlier
        on
            with_weather.origin = earlier.origin
            and with_weather.observed_at - interval '3 hours' = earlier.observed_at
),

final as (
    select
        observed.flight_id,
        observed.predicted_at,
        observed.arrived_at,
        observed.is_late,
        observed.carrier,
        observed.origin,
        observed.destination,
        observed.route,
        observed.distance_miles,
        {{ minutes_between('observed.scheduled_departure_at', 'observed.scheduled_arrival_at') }}
            as scheduled_minutes,
        {{ minutes_between(
            "date_trunc('day', observed.scheduled_departure_local)", 'observed.scheduled_departure_local'
        ) }} as departure_minute,
        extract(isodow from observed.scheduled_departure_local)::bigint as weekday,
        observed.scheduled_departures_1h,
        extract(year from observed.scheduled_departure_local)::bigint - planes.year_built as plane_age,
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
    from observed
    inner join history on observed.flight_id = history.flight_id
    inner join today on observed.flight_id = today.flight_id
    left join planes on observed.tail_number = planes.tail_number
)

select * from final
order by predicted_at, flight_id
