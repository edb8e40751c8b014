{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- The time of the newest row that each model has scored. Read from the models' own tables, which a failed build leaves
-- as they are, so that the verdict can be read then too.
{% call(name) mlbridge.each_model() %}
select
    {{ mlbridge.text(name) }} as model,
    max(time) as newest_at
from {{ ref(name ~ '_predictions') }}
where prediction is not null
{% endcall %}
