with source as (
    select * from {{ source('raw', 'flights') }}
),

airports as (
    select * from {{ ref('stg_airports') }}
),

-- all three origins keep New York time; the scheduled arrival is on the destination's clock
departures as (
    select
        source.*,
        airports.time_zone as destination_time_zone,
        make_date(source.year::integer, source.month::integer, source.day::integer)
        + {{ hhmm_to_interval('source.sched_dep_time') }} as scheduled_departure_local
    from source
    left join airports on source.dest = airports.airport
),

departure_moments as (
    select
        *,
        {{ local_to_utc('scheduled_departure_local', "'America/New_York'") }} as scheduled_departure_at
    from departures
),

departures_at_destination as (
    select
        *,
        {{ utc_to_local('scheduled_departure_at', 'destination_time_zone') }} as departure_at_destination_local
    from departure_moments
),

-- the source gives no date of arrival: take the first time the clock shows the hour after the departure
arrivals_same_day as (
    select
        *,
        date_trunc('day', departure_at_destination_local)
        + {{ hhmm_to_interval('sched_arr_time') }} as arrival_same_day_local
    from departures_at_destination
),

arrivals_local as (
    select
        *,
        case
            when arrival_same_day_local > departure_at_destination_local then arrival_same_day_local
            else arrival_same_day_local + interval '1 day'
        end as scheduled_arrival_local
    from arrivals_same_day
),

arrivals as (
    select
        *,
        {{ local_to_utc('scheduled_arrival_local', 'destination_time_zone') }} as scheduled_arrival_at
    from arrivals_local
),

final as (
    select
        scheduled_departure_local::date || '-' || carrier || '-' || flight || '-' || origin
            as flight_id,
        carrier,
        flight::integer as flight_number,
        tailnum as tail_number,
        origin,
        dest as destination,
        destination_time_zone,
        distance::integer as distance_miles,
        scheduled_departure_at,
        scheduled_departure_local,
        scheduled_arrival_at,
        -- delays are added to the schedule, since the clock times alone do not say on which day
        scheduled_departure_at + interval '1 minute' * dep_delay as departed_at,
        scheduled_arrival_at + interval '1 minute' * arr_delay as arrived_at,
        dep_delay::integer as departure_delay,
        arr_delay::integer as arrival_delay,
        air_time::integer as air_time,
        case
            when dep_time is null then 'cancelled'
            when arr_delay is null then 'diverted'
            else 'arrived'
        end as status,
        dep_time as departed_hhmm,
        arr_time as arrived_hhmm,
        time_hour at time zone 'UTC' as source_hour_at
    from arrivals
)

select * from final
