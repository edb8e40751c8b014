-- Clocks follow the sun within an hour, or up to three and a half in the far west of Alaska. A lost sign in a
-- longitude, or a time zone copied from elsewhere, breaks this.
with clocks as (
    select
        airport,
        time_zone,
        -- the westernmost Aleutians, beyond the 180th meridian, count on westwards
        (case when longitude > 0 then longitude - 360 else longitude end) / 15 as solar_hours,
        {{ minutes_between(
            "timestamp '2013-01-15 12:00:00'",
            utc_to_local("timestamp '2013-01-15 12:00:00'", 'time_zone')
        ) }} / 60.0 as clock_hours
    from {{ ref('airports') }}
),

final as (
    select *
    from clocks
    where solar_hours - clock_hours not between -3.5 and 1
)

select * from final
