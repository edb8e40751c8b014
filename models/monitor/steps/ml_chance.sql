{{ config(materialized='ephemeral', access='private', contract={'enforced': false}) }}
-- What chance alone makes of each window and baseline, by their rows and bins: means and variances of the divergences
-- and of chi-square; and how much the rows of a bin vary beside that (`pearson`, chi-square of numbers too).
{%- set key = 'model, version, period, window_start, feature, baseline' %}
with bins as (
    select
        {{ key }},
        rows_used,
        rows_baseline,
        n + m as rows_bin,
        (n + m) * least(rows_used, rows_baseline) / (rows_used + rows_baseline) as expected,
        power(n / rows_used - m / rows_baseline, 2) / (n + m) as apart
    from {{ ref('ml_compared') }}
    where bin >= 0 and n + m > 0 and rows_used > 0 and rows_baseline > 0
),

moments as (
    select
        bins.*,
        1 - bins.rows_bin / (bins.rows_used + bins.rows_baseline) as rest,
        {{ mlbridge.chance_of_bin() }}
    from bins
),

summed as (
    select
        {{ key }},
        rows_used,
        rows_baseline,
        rows_used + rows_baseline as total,
        cast(count(*) as {{ mlbridge.type_double() }}) as filled,
        sum(1 / rows_bin) as inverse,
        max(rows_bin) as fullest,
        sum(apart) * rows_used * rows_baseline as pearson,
        sum(rest * psi_mean) as psi_mean,
        sum(rest * psi_variance) as psi_variance,
        sum(rest * js_mean) as js_mean,
        sum(rest * js_variance) as js_variance
    from moments
    group by {{ key }}, rows_used, rows_baseline
),

final as (
    select
        {{ key }},
        pearson,
        fullest / total as fullest,
        psi_mean,
        psi_variance,
        js_mean,
        js_variance,
        (filled - 1) * total / nullif(total - 1, 0) as chi_mean,
        {{ mlbridge.pearson_variance('total', 'rows_used', 'rows_baseline', 'filled', 'inverse') }} as chi_variance
    from summed
)

select * from final
