-- How punctual were the flights that had arrived by the moment of a prediction? One row a flight.
with flights as (
    select * from {{ ref('late_arrival_flights') }}
),

seen as (
    {{ mlbridge.rolling('flights', 'predicted_at', {'view': 'flights', 'time': 'arrived_at'}, {
        'carrier_late': {'share': 'is_late', 'entity': 'carrier', 'over': ['1 day', '28 days']},
        'origin_arrival_delay_3h': {'mean': 'arrival_delay', 'entity': 'origin', 'over': '3 hours'},
        'destination_arrival_delay_6h': {'mean': 'arrival_delay', 'entity': 'destination', 'over': '6 hours'},
        'destination_late_7d': {'share': 'is_late', 'entity': 'destination', 'over': '7 days'},
        'route_late_28d': {'share': 'is_late', 'entity': 'route', 'over': '28 days'},
        'route_arrivals_28d': {'count': '*', 'entity': 'route', 'over': '28 days'},
        'flight_late_28d': {'share': 'is_late', 'entity': 'flight_name', 'over': '28 days'},
    }) }}
),

final as (
    select
        flight_id,
        carrier_late_1d,
        carrier_late_28d,
        origin_arrival_delay_3h,
        destination_arrival_delay_6h,
        destination_late_7d,
        route_late_28d,
        route_arrivals_28d,
        flight_late_28d
    from seen
)

select * from final
