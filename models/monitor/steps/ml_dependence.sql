{{ config(materialized='ephemeral', access='private', contract={'enforced': false}) }}
-- How much more the windows of the training period differ than independent rows would, by feature: the design effect of
-- Rao and Scott (1981), estimated from that variation. Rows of one day belong together; a season makes it larger, too.
select
    model,
    version,
    feature,
    greatest(sum(pearson) / nullif(sum(chi_mean), 0), 1) as design_effect
from {{ ref('ml_chance') }}
where period = 'training' and baseline = 'training'
group by model, version, feature
