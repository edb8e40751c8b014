{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- Each drift metric of the scored windows beside everything that its threshold may come from: the spec (`fixed`), the
-- floor, what is usual and its bound, and chance (`noise`).
with fixed as (
    {{ mlbridge.fixed_thresholds() }}
),

facts as (
    select
        measured.*,
        windows.window_end,
        rules.while_open,
        coalesce(own.threshold, common.threshold) as fixed,
        coalesce(rules.floor * case when rules.relative then measured.rows_scale else 1 end, 0) as floor,
        coalesce(usual.rows_typical, 0) as rows_typical,
        usual.mean as usual_mean,
        usual.deviation as usual_deviation,
        usual.windows as usual_windows,
        usual.greatest_usual,
        usual.degrees_of_freedom,
        chance.psi_mean,
        chance.psi_variance,
        chance.js_mean,
        chance.js_variance,
        chance.chi_square_mean,
        chance.chi_square_variance,
        chance.fullest_share,
        coalesce(dependence.design_effect, 1) as design_effect,
        least(levels.alpha, exp(-rules.deviations * rules.deviations / 2e0) / 2) as alpha,
        greatest(levels.deviations, rules.deviations) as deviations
    from {{ mlbridge.rows_of(ref('int_ml_drift_long')) }} as measured
    inner join {{ mlbridge.rows_of(ref('ml_thresholds')) }} as rules
        on measured.metric = rules.metric
    inner join {{ mlbridge.rows_of(ref('ml_windows')) }} as windows
        on {{ mlbridge.same('measured', 'windows', 'model, version, window_start') }}
    inner join {{ mlbridge.rows_of(ref('int_ml_significance_levels')) }} as levels
        on {{ mlbridge.same('measured', 'levels', 'model, version') }}
    left join {{ mlbridge.rows_of(ref('int_ml_usual_drift')) }} as usual
        on {{ mlbridge.same('measured', 'usual', 'model, version, feature, baseline, metric') }}
    left join {{ mlbridge.rows_of(ref('int_ml_chance_moments')) }} as chance
        on {{ mlbridge.same('measured', 'chance', 'model, version, period, window_start, feature, baseline') }}
    left join {{ mlbridge.rows_of(ref('int_ml_design_effects')) }} as dependence
        on {{ mlbridge.same('measured', 'dependence', 'model, version, feature') }}
    left join fixed as own
        on {{ mlbridge.same('measured', 'own', 'model, feature, metric') }}
    left join fixed as common
        on measured.model = common.model and common.feature is null and measured.metric = common.metric
    where measured.period = 'scored'
),

expected as (
    select
        facts.*,
        -- where window or baseline has fewer rows than a usual window, the distance grows with the root of the ratio
        (
            facts.usual_mean
            + {{ mlbridge.student_quantile('facts.deviations', 'facts.degrees_of_freedom') }}
            * sqrt(1 + 1e0 / facts.usual_windows) * facts.usual_deviation
        )
        * sqrt(
            greatest(facts.rows_typical / nullif(least(facts.rows_used, facts.rows_baseline), 0), 1)
        ) as usual_distance
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
        categories_with_one_row,
        rows_new,
        rows_used,
        rows_baseline,
        rows_typical,
        inverse_rows,
        alpha,
        deviations,
        design_effect,
        while_open,
        fixed,
        floor,
        {{ mlbridge.by_drift_metric('greatest') }} as greatest_value,
        {{ mlbridge.by_drift_metric('usual_share') }} * {{ mlbridge.by_drift_metric('greatest') }} as bound,
        coalesce({{ mlbridge.by_drift_metric('noise') }}, 0) as noise,
        {{ mlbridge.farthest_by_chance() }} as farthest_by_chance,
        coalesce(rows_scale * {{ mlbridge.of_distance('usual_distance') }}, 0) as usual,
        rows_used >= {{ mlbridge.enough_rows() }}
        and rows_baseline >= {{ mlbridge.enough_rows() }} as is_enough,
        {{ mlbridge.is_over('window_end') }} as is_over,
        rows_used >= rows_typical / 10 and rows_baseline >= rows_typical / 10 as is_typical
    from expected
)

select * from final
