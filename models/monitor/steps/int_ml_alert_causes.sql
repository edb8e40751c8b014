{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- Which alerts have one cause, by when they began and what the models read. It is decided by the windows up to the one
-- in which an alert begins, so that no later window changes it, and apart for what is known when a window is over and
-- for what needs its outcomes, which come late; another version in use, or a model that is measured later than its
-- neighbours, may change it. `ml_alerts` puts losses of performance beside drift.
{%- set alike = 'alerts.origin, alerts.window_days, alerts.about, alerts.needs_outcomes' %}
{%- set of_alike = 'partition by ' ~ alike ~ ' order by alerts.since, alerts.model, alerts.what' %}
{%- set of_group = 'partition by ' ~ alike ~ ', alerts.group_since' %}
{%- set before = 'rows between unbounded preceding and 1 preceding' %}
{%- set up_to_this = 'rows between unbounded preceding and current row' %}
with lasting as (
    select
        model,
        about,
        what,
        needs_outcomes,
        since,
        min(also_in) as also_in,
        -- the window with which it is over; NULL where none after it is judged
        case when count(*) = count(next_start) then max(next_start) end as over_in
    from {{ ref('int_ml_lasting_alerts') }}
    group by model, about, what, needs_outcomes, since
),

origins as (
    select distinct
        model,
        origin
    from {{ ref('int_ml_model_sources') }}
),

declared as (
    {{ mlbridge.declared_models() }}
),

begun as (
    select
        lasting.*,
        coalesce(origins.origin, lasting.model) as origin,
        declared.window_days
    from lasting
    left join origins
        on lasting.model = origins.model
    left join declared
        on lasting.model = declared.model
),

told_apart as (
    select
        alerts.*,
        -- what begins in a window, or in the next while that goes on, is of one cause
        coalesce(alerts.since > max(alerts.also_in) over ({{ of_alike }} {{ before }}), true) as is_another
    from begun as alerts
),

together as (
    select
        alerts.*,
        max(case when alerts.is_another then alerts.since end) over ({{ of_alike }} {{ up_to_this }}) as group_since
    from told_apart as alerts
),

lived as (
    select
        alerts.*,
        case
            when count(*) over ({{ of_group }}) = count(alerts.over_in) over ({{ of_group }})
                then max(alerts.over_in) over ({{ of_group }})
        end as group_over_in
    from together as alerts
),

returned as (
    select
        alerts.model,
        alerts.what,
        alerts.since,
        max(earlier.group_since) as cause_since
    from lived as alerts
    inner join lived as earlier
        on
            {{ mlbridge.same('alerts', 'earlier', 'model, what') }}
            and alerts.since > earlier.since
            and (alerts.since < earlier.group_over_in or earlier.group_over_in is null)
    group by alerts.model, alerts.what, alerts.since
),

final as (
    select
        alerts.model,
        alerts.what,
        alerts.since,
        alerts.origin,
        alerts.window_days,
        alerts.also_in,
        -- what comes back while others that it began with go on is of their cause still
        coalesce(returned.cause_since, alerts.group_since) as cause_since
    from lived as alerts
    left join returned
        on {{ mlbridge.same('alerts', 'returned', 'model, what, since') }}
)

select * from final
