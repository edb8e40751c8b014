{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- Which sources the features of each model come from: what tells whether alerts of several models may have one cause.
{{ mlbridge.model_sources() }}
