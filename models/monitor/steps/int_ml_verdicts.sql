{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- The verdict on each model: its first finding.
with ranked as (
    select
        findings.*,
        row_number() over (partition by findings.model order by findings.finding_rank) as preference
    from {{ mlbridge.rows_of(ref('int_ml_findings')) }} as findings
),

final as (
    select
        model,
        verdict,
        reason,
        action,
        since
    from ranked
    where preference = 1
)

select * from final
