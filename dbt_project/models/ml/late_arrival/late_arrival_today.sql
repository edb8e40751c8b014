-- How was the origin running at the moment of a prediction? One row a flight.
-- A flight is overdue from its scheduled departure until it leaves, and at most for six hours. The data do not say
-- when a flight was cancelled, so a cancelled one is overdue as long as any other that has not left.
with flights as (
    select
        *,
        least(departed_at, scheduled_departure_at + interval '6 hours') as settled_at
    from {{ ref('late_arrival_flights') }}
),

-- A flight comes with +1 and goes with -1, so the sum over all the past is what is overdue now.
overdue as (
    select
        scheduled_departure_at as moment,
        origin,
        carrier,
        1 as overdue
    from flights
    where settled_at > scheduled_departure_at
    union all
    select
        settled_at as moment,
        origin,
        carrier,
        -1 as overdue
    from flights
    where settled_at > scheduled_departure_at
),

departures as (
    {{ mlbridge.rolling('flights', 'predicted_at', {'view': 'flights', 'time': 'departed_at'}, {
        'origin_departure_delay_3h': {'mean': 'departure_delay', 'entity': 'origin', 'over': '3 hours'},
        'origin_departures_3h': {'count': '*', 'entity': 'origin', 'over': '3 hours'},
        'carrier_departure_delay_3h': {'mean': 'departure_delay', 'entity': ['origin', 'carrier'], 'over': '3 hours'},
    }) }}
),

seen as (
    {{ mlbridge.rolling('departures', 'predicted_at', {'view': 'overdue', 'time': 'moment'}, {
        'origin_overdue': {'sum': 'overdue', 'entity': 'origin'},
        'carrier_overdue': {'sum': 'overdue', 'entity': ['origin', 'carrier']},
    }) }}
),

final as (
    select
        flight_id,
        origin_departure_delay_3h,
        origin_departures_3h,
        carrier_departure_delay_3h,
        origin_overdue::bigint as origin_overdue,
        carrier_overdue::bigint as carrier_overdue
    from seen
)

select * from final
