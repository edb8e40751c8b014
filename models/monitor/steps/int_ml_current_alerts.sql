{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- The current alerts of each model by severity, in one sentence: the first with its figures, and the names of the
-- others.
{%- set most = 5 %}
with counted as (
    select
        model,
        what,
        since,
        message,
        severity,
        action,
        count(*) over (partition by model, severity) as n,
        row_number() over (partition by model, severity order by about desc, since asc, what asc) as alert_rank
    from {{ ref('ml_alerts') }}
    where is_current
),

worded as (
    select
        model,
        severity,
        min(since) as since,
        max(n) as n,
        max(case when alert_rank = 1 then message end) as message,
        max(case when alert_rank = 1 then action end) as action,
        {{ mlbridge.joined('case when alert_rank between 2 and ' ~ most ~ ' then what end', 'alert_rank') }} as others
    from counted
    group by model, severity
),

final as (
    select
        model,
        severity,
        n,
        since,
        message
        || coalesce('. Also ' || others, '')
        || case
            when n > {{ most }} then ' and ' || cast(n - {{ most }} as {{ dbt.type_string() }}) || ' more'
            else ''
        end as message,
        action
    from worded
)

select * from final
