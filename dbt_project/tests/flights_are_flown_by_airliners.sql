-- 0.85 % of the flights with a plane meet one of fewer than 20 seats: the tail number has passed to a private
-- plane since, or the airline reports a number of its own that somebody else happens to hold.
with verdict as (
    select
        count(*) as flights,
        count(*) filter (where planes.seats < 20) as in_small_planes
    from {{ ref('flights') }} as flights
    inner join {{ ref('planes') }} as planes on flights.tail_number = planes.tail_number
),

final as (
    select *
    from verdict
    where in_small_planes > 0.01 * flights
)

select * from final
