-- What arrival_delay_features.py computes, where no Python model runs.
with known as (
    select
        *,
        2 * pi() * departure_minute / 1440 as departure_angle,
        radians(wind_direction_deg) as wind_angle
    from {{ ref('late_arrival_features') }}
),

flights as (
    select * from {{ ref('flights') }}
),

final as (
    select
        known.flight_id,
        known.predicted_at,
        known.arrived_at,
        known.carrier,
        known.origin,
        known.destination,
        known.route,
        known.distance_miles,
        known.scheduled_minutes,
        known.departure_minute,
        known.weekday,
        known.scheduled_departures_1h,
        known.plane_age,
        known.seats,
        known.carrier_late_1d,
        known.carrier_late_28d,
        known.origin_arrival_delay_3h,
        known.destination_arrival_delay_6h,
        known.destination_late_7d,
        known.route_late_28d,
        known.route_arrivals_28d,
        known.flight_late_28d,
        known.origin_departure_delay_3h,
        known.origin_departures_3h,
        known.carrier_departure_delay_3h,
        known.origin_overdue,
        known.carrier_overdue,
        known.temperature_f,
        known.dew_point_f,
        known.humidity,
        known.wind_direction_deg,
        known.wind_speed_mph,
        known.precipitation_in,
        known.visibility_miles,
        known.pressure_change_mb,
        flights.arrival_delay as arrival_delay_minutes,
        sin(known.departure_angle) as departure_sin,
        cos(known.departure_angle) as departure_cos,
        known.wind_speed_mph * cos(known.wind_angle) as wind_from_north_mph,
        known.wind_speed_mph * sin(known.wind_angle) as wind_from_east_mph,
        60::float8 * known.distance_miles / known.scheduled_minutes as scheduled_mph
    from known
    inner join flights on known.flight_id = flights.flight_id
)

select * from final
order by predicted_at, flight_id
