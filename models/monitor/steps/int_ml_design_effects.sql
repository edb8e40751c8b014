{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- How much more the windows of the training period differ than windows of independent rows would, by feature: the
-- design effect of Rao and Scott (1981), estimated as the ratio of observed to expected chi-square. Dependence within
-- days makes it larger, and so does a season.
select
    model,
    version,
    feature,
    greatest(sum(chi_square) / nullif(sum(chi_square_mean), 0), 1) as design_effect
from {{ ref('int_ml_chance_moments') }}
where period = 'training' and baseline = 'training'
group by model, version, feature
