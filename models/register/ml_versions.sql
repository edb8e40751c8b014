{{ mlbridge.grant() }}
{% call(name) mlbridge.each_model() %}
select
    model_name as model,
    version,
    candidate,
    outcome,
    reason,
    trained_at,
    as_of,
    invocation_id,
    spec,
    spec_hash,
    data_hash,
    rows_train,
    rows_validation,
    rows_test,
    train_from,
    train_to,
    holdout_from,
    features,
    params,
    metrics,
    importances,
    profile,
    calibration,
    reference,
    estimation,
    decision,
    artifact_format,
    artifact_sha256,
    scoring_sql_note,
    scoring_cost,
    fit_seconds,
    peak_memory_mb,
    library_versions
from {{ ref(name ~ '_training') }}
where outcome not in ('skipped', 'not_trained')
{% endcall %}
