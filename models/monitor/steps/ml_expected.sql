{{ config(materialized='ephemeral', access='private', contract={'enforced': false}) }}
-- The scored rows of each window by what their performance is estimated from, beside what was learnt of it on the
-- validation rows: the step of the calibration of a class, or the leaf of the tree of losses.
{%- set fields = {
    'class_no': 'count', 'step': 'count', 'value': 'number', 'leaf': 'count', 'absolute': 'number', 'squared': 'number',
    'fourth': 'number',
} %}
with counted as (
    select
        model,
        version,
        window_size,
        window_start,
        slice,
        bin,
        cast(n as {{ mlbridge.type_double() }}) as n,
        companion_sum,
        companion_square
    from {{ ref('ml_distributions') }}
    where feature = 'ml_estimate' and period = 'scored' and bin >= 0
),

learnt as (
    select
        item.model,
        item.version,
        item.class_no,
        item.step,
        item.value,
        item.leaf,
        item.absolute,
        item.squared,
        item.fourth
    from {{ mlbridge.unfold(ref('ml_versions'), 'estimation', ['model', 'version'], fields) }} as item
),

final as (
    select
        counted.*,
        learnt.class_no,
        learnt.step,
        learnt.value,
        learnt.leaf,
        learnt.absolute,
        learnt.squared,
        learnt.fourth,
        mod(counted.bin, 2) as is_predicted
    from counted
    inner join learnt
        on
            counted.model = learnt.model
            and counted.version = learnt.version
            -- as the macro step_bin numbers them
            and counted.bin = coalesce(learnt.leaf, 1000 * learnt.class_no + 2 * learnt.step + mod(counted.bin, 2))
)

select * from final
