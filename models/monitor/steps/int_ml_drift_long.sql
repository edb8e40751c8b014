{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- `int_ml_drift_wide` with a row per drift metric. A metric that is not defined for the feature or the baseline has no
-- row; one that has no value in this window has a row without a value.
{%- set context = 'model, version, period, window_start, feature, baseline, kind, bins, categories_with_one_row, '
    ~ 'rows_all, rows_null, rows_used, rows_new, baseline_rows_all, baseline_rows_null, rows_baseline, ks, '
    ~ 'unseen_share, partner_correlation' %}
{%- set values = {} %}
{%- for name in mlbridge.drift_metrics() %}
    {%- do values.update({name: {'value': name}}) %}
{%- endfor %}
with measured as (
    {{ mlbridge.long_form(ref('int_ml_drift_wide'), context, values) }}
),

defined as (
    select *
    from measured
    where {{ mlbridge.by_drift_metric('where') }}
),

counted as (
    select
        model,
        version,
        period,
        window_start,
        feature,
        baseline,
        metric,
        kind,
        bins,
        categories_with_one_row,
        rows_new,
        value,
        partner_correlation,
        ks,
        unseen_share,
        baseline_rows_null / nullif(baseline_rows_all, 0) as baseline_null_share,
        case when metric in {{ mlbridge.metrics_that('counts_nulls') }} then rows_all else rows_used end as rows_used,
        case when metric in {{ mlbridge.metrics_that('counts_nulls') }} then baseline_rows_all else rows_baseline end
            as rows_baseline
    from defined
),

final as (
    select
        counted.*,
        {{ mlbridge.by_drift_metric('scale') }} as rows_scale,
        1 / nullif(counted.rows_used, 0) + 1 / nullif(counted.rows_baseline, 0) as inverse_rows
    from counted
)

select * from final
