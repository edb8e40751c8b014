{{ config(materialized=mlbridge.step(), access='private', contract={'enforced': false}) }}
-- Everything that may decide the verdict on a model, in the order of `finding_rank`; the last one, that all is well,
-- holds for every model.
with facts as (
    select
        states.*,
        case when states.kind is not null then states.metric end || ' ' || {{ mlbridge.figure('states.value') }}
        || case when states.unit is null then '' else ' (unit of ' || states.unit || ')' end
        || case
            when states.threshold is null then ''
            else ', threshold ' || {{ mlbridge.figure('states.threshold') }}
        end
        || case
            when states.baseline is null then ''
            else ', naive baseline ' || {{ mlbridge.figure('states.baseline') }}
        end as figures
    from {{ mlbridge.rows_of(ref('int_ml_model_states')) }} as states
),

findings as (
    select
        model,
        case state when 'error' then 1 else 2 end as finding_rank,
        'act' as verdict,
        'build' as about,
        case state
            when 'error' then 'In the last build this failed: ' || nodes_failed
            else 'The last build skipped: ' || nodes_skipped
        end as reason,
        'Read in ml_runs what went wrong, mend it, and run `dbt retry` or `dbt build`.' as action,
        built_at as since
    from facts
    where state in ('error', 'skipped')

    union all

    select
        model,
        3 as finding_rank,
        'cannot tell' as verdict,
        'version' as about,
        coalesce(trained_because, 'It has never been trained.') as reason,
        case
            when trained_because is null then 'Run `dbt build --select +' || model || '_predictions+`.'
            else 'Wait until more outcomes are known: each `dbt build` tries again. Or change `split` in its spec.'
        end as action,
        trained_at as since
    from facts
    where not is_trained

    union all

    select
        model,
        4 as finding_rank,
        case when is_withheld = 1 then 'act' else 'look' end as verdict,
        'version' as about,
        'No version is in use: ' || coalesce(trained_because, 'none was promoted') as reason,
        case
            when is_withheld = 1
                then 'Leave the columns out in `features`, or say why they may stay in `allow_leakage`.'
            else 'Look at its candidates in ml_metrics: nothing is scored until one is promoted.'
        end as action,
        trained_at as since
    from facts
    where is_trained and version is null

    union all

    select
        model,
        4 as finding_rank,
        'act' as verdict,
        'version' as about,
        'In the logbook this is no JSON of version ' || cast(version as {{ dbt.type_string() }})
        || ', which is in use: ' || damaged_documents as reason,
        'Restore its row of ' || model || '_training from a backup.' as action,
        cast(null as timestamp) as since
    from facts
    where damaged_documents is not null

    union all

    select
        model,
        5 as finding_rank,
        'act' as verdict,
        'alerts' as about,
        message as reason,
        action,
        since
    from {{ ref('int_ml_current_alerts') }}
    where severity = 'act'

    union all

    select
        model,
        6 as finding_rank,
        'look' as verdict,
        'rows' as about,
        'No row is newer than ' || cast(newest_at as {{ dbt.type_string() }})
        || ': more than two windows lie between it and the last build.' as reason,
        'Look whether the sources still deliver; all figures are of that time.' as action,
        newest_at as since
    from facts
    where {{ mlbridge.epoch('built_as_of') }} - {{ mlbridge.epoch('newest_at') }} > 2 * 86400 * window_days

    union all

    select
        model,
        7 as finding_rank,
        'look' as verdict,
        'version' as about,
        'Its newest version is withheld: ' || trained_because as reason,
        'Leave the columns out in `features`, or say why they may stay in `allow_leakage`.' as action,
        trained_at as since
    from facts
    where is_withheld = 1 and version is not null

    union all

    select
        model,
        8 as finding_rank,
        'look' as verdict,
        'alerts' as about,
        message as reason,
        action,
        since
    from {{ ref('int_ml_current_alerts') }}
    where severity = 'look'

    union all

    select
        model,
        9 as finding_rank,
        'cannot tell' as verdict,
        'outcomes' as about,
        case
            when kind is null then 'Nothing is measured yet: no row was scored after the training.'
            when kind = 'estimated' then 'No outcome is known yet; estimated ' || figures
            when muted is not null then 'Its outcomes cannot be judged: ' || muted || '; ' || figures
            else 'No outcome is known of the last two windows; before them ' || figures
        end as reason,
        'Wait for outcomes.' as action,
        window_start as since
    from facts
    where
        version is not null
        and (
            kind is null
            or kind = 'estimated'
            or muted is not null
            or {{ mlbridge.epoch('newest_at') }} - {{ mlbridge.epoch('window_end') }} > 2 * 86400 * window_days
        )

    union all

    select
        model,
        10 as finding_rank,
        'fine' as verdict,
        'outcomes' as about,
        'No alert: ' || coalesce(figures, 'nothing measured') as reason,
        cast(null as {{ dbt.type_string() }}) as action,
        window_start as since
    from facts
)

select * from findings
