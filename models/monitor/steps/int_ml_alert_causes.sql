{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- Which alerts have one cause, by when they began and what the models read. It is decided by the windows up to the one
-- in which an alert begins, so that no later window changes it. `ml_alerts` puts losses of performance beside drift.
{%- set of_one = 'partition by alerts.model, alerts.what order by alerts.since' %}
{%- set of_origin = 'partition by alerts.origin, alerts.about order by alerts.since, alerts.model, alerts.what' %}
{%- set before = 'rows between unbounded preceding and 1 preceding' %}
{%- set up_to_this = 'rows between unbounded preceding and current row' %}
with lasting as (
    select
        model,
        about,
        what,
        since,
        min(also_in) as also_in,
        max(window_start) as lasts_until
    from {{ ref('int_ml_lasting_alerts') }}
    group by model, about, what, since
),

origins as (
    select distinct
        model,
        origin
    from {{ ref('int_ml_model_sources') }}
),

begun as (
    select
        lasting.*,
        coalesce(origins.origin, lasting.model) as origin
    from lasting
    left join origins
        on lasting.model = origins.model
),

told_apart as (
    select
        alerts.*,
        -- what begins in a window, or in the next while that goes on, is of one cause
        coalesce(alerts.since > max(alerts.also_in) over ({{ of_origin }} {{ before }}), true) as is_another
    from begun as alerts
),

together as (
    select
        alerts.*,
        max(case when alerts.is_another then alerts.since end) over ({{ of_origin }} {{ up_to_this }}) as group_since
    from told_apart as alerts
),

lived as (
    select
        alerts.*,
        max(alerts.lasts_until) over (partition by alerts.origin, alerts.about, alerts.group_since) as group_until
    from together as alerts
),

returned as (
    select
        alerts.*,
        -- what comes back while others that it began with go on is of their cause still
        coalesce(alerts.since > max(alerts.group_until) over ({{ of_one }} {{ before }}), true) as is_new
    from lived as alerts
),

final as (
    select
        alerts.model,
        alerts.what,
        alerts.since,
        alerts.origin,
        alerts.also_in,
        max(case when alerts.is_new then alerts.group_since end) over ({{ of_one }} {{ up_to_this }}) as cause_since
    from returned as alerts
)

select * from final
