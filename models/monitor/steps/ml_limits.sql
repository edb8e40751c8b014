{{ config(materialized='ephemeral', access='private', contract={'enforced': false}) }}
-- Each metric of the scored windows beside what could be its threshold: the spec's (`fixed`), the floor, what is usual,
-- the most that may be called usual (`bound`), and what chance gives for so few rows.
with measured as (
    {{ mlbridge.one_row_per_metric() }}
),

fixed as (
    {{ mlbridge.fixed_thresholds() }}
),

facts as (
    select
        measured.*,
        windows.window_end,
        rules.while_open,
        coalesce(own.threshold, common.threshold) as fixed,
        coalesce(rules.floor * case when rules.relative then measured.scale else 1 end, 0) as floor,
        coalesce(usual.rows_typical, 0) as rows_typical,
        usual.mean,
        usual.deviation,
        usual.windows,
        usual.freedom,
        chance.psi_mean,
        chance.psi_variance,
        chance.js_mean,
        chance.js_variance,
        chance.chi_mean,
        chance.chi_variance,
        chance.fullest,
        coalesce(dependence.design_effect, 1) as design_effect,
        least(levels.alpha, exp(-rules.deviations * rules.deviations / 2e0) / 2) as alpha,
        greatest(levels.k, rules.deviations) as k
    from measured
    inner join {{ ref('ml_thresholds') }} as rules
        on measured.metric = rules.metric
    inner join {{ ref('ml_windows') }} as windows
        on
            measured.model = windows.model
            and measured.version = windows.version
            and measured.window_start = windows.window_start
    inner join {{ ref('ml_levels') }} as levels
        on measured.model = levels.model and measured.version = levels.version
    left join {{ ref('ml_usual') }} as usual
        on
            measured.model = usual.model
            and measured.version = usual.version
            and measured.feature = usual.feature
            and measured.baseline = usual.baseline
            and measured.metric = usual.metric
    left join {{ ref('ml_chance') }} as chance
        on
            measured.model = chance.model
            and measured.version = chance.version
            and measured.period = chance.period
            and measured.window_start = chance.window_start
            and measured.feature = chance.feature
            and measured.baseline = chance.baseline
    left join {{ ref('ml_dependence') }} as dependence
        on
            measured.model = dependence.model
            and measured.version = dependence.version
            and measured.feature = dependence.feature
    left join fixed as own
        on measured.model = own.model and measured.feature = own.feature and measured.metric = own.metric
    left join fixed as common
        on measured.model = common.model and common.feature is null and measured.metric = common.metric
    where measured.period = 'scored'
),

expected as (
    select
        facts.*,
        -- a window of fewer rows than the usual one, or compared with one, differs by the root of their ratio more
        (
            facts.mean
            + {{ mlbridge.student_quantile('facts.k', 'facts.freedom') }}
            * sqrt(1 + 1e0 / facts.windows) * facts.deviation
        )
        * sqrt(
            greatest(facts.rows_typical / nullif(least(facts.rows_used, facts.rows_baseline), 0), 1)
        ) as distance
    from facts
),

final as (
    select
        model,
        version,
        feature,
        kind,
        window_start,
        window_end,
        baseline,
        metric,
        value,
        ks,
        unseen_share,
        bins,
        singles,
        rows_new,
        rows_used,
        rows_baseline,
        rows_typical,
        u,
        alpha,
        k,
        design_effect,
        while_open,
        fixed,
        floor,
        {{ mlbridge.greatest_value() }} as most,
        {{ mlbridge.share_of_greatest() }} * {{ mlbridge.greatest_value() }} as bound,
        coalesce({{ mlbridge.noise() }}, 0) as noise,
        coalesce(scale * {{ mlbridge.of_distance('distance') }}, 0) as usual,
        rows_used >= {{ mlbridge.enough_rows() }}
        and rows_baseline >= {{ mlbridge.enough_rows() }} as is_enough,
        window_end <= cast('{{ mlbridge.as_of() }}' as timestamp) as is_over,
        rows_used >= rows_typical / 10 and rows_baseline >= rows_typical / 10 as is_typical
    from expected
)

select * from final
