{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- From the scored rows of each window by bin, beside what the validation rows of the same bin showed: for a class the
-- step of its calibration curve, for a regression the leaf of a regression tree that predicts the errors.
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
        companion_sum as score_sum,
        companion_square as score_square_sum
    from {{ ref('ml_distributions') }}
    where feature = 'ml_estimate' and period = 'scored' and bin >= 0
),

known as (
    select
        item.model,
        item.version,
        item.class_no,
        item.step as calibration_step,
        item.value as probability,
        item.leaf as loss_leaf,
        item.absolute as absolute_error_mean,
        item.squared as squared_error_mean,
        item.fourth as fourth_power_mean
    from {{ mlbridge.unfold(mlbridge.rows_of(ref('ml_versions')), 'estimation', ['model', 'version'], fields) }} as item
),

bins as (
    select
        counted.*,
        known.class_no,
        known.calibration_step,
        known.probability,
        known.loss_leaf,
        known.absolute_error_mean,
        known.squared_error_mean,
        known.fourth_power_mean,
        mod(counted.bin, 2) as is_predicted
    from counted
    inner join known
        on
            {{ mlbridge.same('counted', 'known', 'model, version') }}
            -- the numbering of the macro step_bin
            and counted.bin = coalesce(
                known.loss_leaf, 1000 * known.class_no + 2 * known.calibration_step + mod(counted.bin, 2)
            )
),

{{ mlbridge.estimated_metrics('bins') }}

select * from final
