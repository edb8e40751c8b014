"""A published build made by hand for the benchmarks of the monitor: millions of predictions, and all other tables.

One model with 200 features and 29 slices, watched for 24 months in two versions. A table has the columns that the
package's YAML declares; those that nothing is given for are NULL.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import duckdb
import yaml

from mlbridge.publication.folder import Facts, file_of, new_build

MODEL, ENTITY, FEATURE = "big", "C-0000000017-3", "f7"
WINDOW = datetime(2024, 8, 1)
STEPS = 100
CLASSES = {"binary": ["false", "true"], "many": [f"class {number}" for number in range(20)], "number": None}
SCORE = "pow((hash(i, 7) % 1000000) / 1e6, 3)"
NUMBER = "20 + 30 * ln(1 / (1e-6 + (hash(i, 7) % 1000000) / 1e6))"
VALUES = {
    "binary": f"""
        case when {SCORE} >= 0.5 then 'true' else 'false' end as prediction,
        case when {SCORE} >= 0.5 then 1.0 else 0.0 end as prediction_value,
        {SCORE} as probability,
        case when (hash(i, 9) % 1000000) / 1e6 < {SCORE} then 'true' else 'false' end as actual,
        case when (hash(i, 9) % 1000000) / 1e6 < {SCORE} then 1.0 else 0.0 end as actual_value
    """,
    "many": f"""
        'class ' || hash(i, 1) % 20 as prediction,
        null::double as prediction_value,
        0.05 + 0.95 * {SCORE} as probability,
        'class ' || hash(i, case when hash(i, 4) % 3 = 0 then 5 else 1 end) % 20 as actual,
        null::double as actual_value
    """,
    "number": f"""
        cast({NUMBER} as text) as prediction,
        {NUMBER} as prediction_value,
        null::double as probability,
        cast({NUMBER} + (hash(i, 4) % 3000) / 100 - 15 as text) as actual,
        case when i = 77 then 1e7 else {NUMBER} + (hash(i, 4) % 3000) / 100 - 15 end as actual_value
    """,
}
# Rows come as a join of many writes leaves them: in order by and large only.
PREDICTIONS = """
select
    '{model}' as model, 'C-' || lpad(cast(hash(i, 2) % 4000000 as text), 10, '0') || '-' || i % 7 as entity,
    timestamp '2024-01-01' + to_microseconds(cast(i * 31622400e6 / {rows} as bigint)) as time,
    case when i < {rows} / 2 then 1 else 2 end::integer as version, prediction, prediction_value, probability,
    case when i % 10 > 0 then actual end as actual, case when i % 10 > 0 then actual_value end as actual_value,
    timestamp '2025-01-01' as scored_at
from (select i, {values} from (select (i + hash(i) % 1000) % {rows} as i from range({rows}) as t(i)) as mixed) as made
"""
VERSIONS = "(values (1), (2)) as versions(version)"
MONTHS = "(select timestamp '2023-01-01' + to_months(m) as month from range(24) as t(m)) as months"
WINDOWS = f"{MONTHS}, {VERSIONS}"
SLICE = "case s when 0 then 'all' else 'column=' || s end"
COUNTED = """
        1000 as n, 900 as outcomes, 300.0 as outcome_sum, 500.0 as value_sum, 'month' as window_size,
        'all' as slice, 'scored' as period
"""
TABLES = {
    "ml_versions": f"""
        select
            '{{model}}' as model, version, 'c' as candidate, 'promoted' as outcome, 'r' as reason,
            timestamp '2024-06-01' as trained_at, timestamp '2024-06-01' as as_of, 1.0 as fit_seconds,
            '{{spec}}' as spec, '{{params}}' as params, '{{calibration}}' as calibration,
            '{{estimation}}' as estimation, '{{features}}' as features, false as is_retired,
            '{{{{}}}}' as decision, '{{{{}}}}' as promotion
        from {VERSIONS}
    """,
    "ml_champions": """
        select
            '{model}' as model, 2 as version, 'c' as candidate, false as pinned, timestamp '2024-06-01' as trained_at
    """,
    "ml_nodes": """
        select
            'model.n' || i as node, 'n' || i as name, 'model' as kind, '{model}' as model, 'split' as stage,
            '[]' as parents
        from range(50) as t(i)
    """,
    "ml_runs": """
        select
            'build ' || b as invocation_id, 'n' || i as node, '{model}' as model, 'split' as stage, 'success' as status,
            timestamp '2024-01-01' + to_hours(b) as started_at, 1.0 as seconds, timestamp '2024-01-01' as as_of,
            0 as tests_failed
        from range(500) as t(b), range(50) as u(i)
    """,
    "ml_decisions": """
        select
            '{model}' as model, 'build ' || b as invocation_id, timestamp '2024-01-01' + to_hours(b) as decided_at,
            timestamp '2024-01-01' as as_of, 'r' as reason, 'promoted' as outcome, '{{}}' as decision
        from range(500) as t(b)
    """,
    "ml_alerts": """
        select
            '{model}' as model, 'what ' || i as what, 'drift' as about, timestamp '2024-12-01' as since,
            true as is_current, 'm' as message, 'look' as severity, 'a' as action, 'f' || i as feature, 2 as version,
            'training' as baseline, timestamp '2024-12-01' as "window", 'i' as incident
        from range(20) as t(i)
    """,
    "ml_incidents": """
        select
            'i' as incident, 'look' as severity, '{model}' as models, 'drift' as about,
            timestamp '2024-12-01' as since, 'm' as message, 'a' as action, 20 as alerts
    """,
    "ml_health": """
        select
            '{model}' as model, 'look' as verdict, 'r' as reason, 'a' as action, 2 as version, 'c' as candidate,
            '{metric}' as metric, true as greater_is_better, timestamp '2024-12-31' as newest_row_at,
            0 as alerts_act, 20 as alerts_look, 0 as alerts_note, 'success' as last_build_state
    """,
    "ml_metrics": f"""
        select
            '{{model}}' as model, version, 'c' as candidate, 'test' as split,
            {SLICE} as slice, metric, 0.5 as value, 0.4 as low, 0.6 as high,
            1000 as n, 2.5 as design_effect
        from {VERSIONS}, range(30) as u(s), (values ('{{metric}}'), ('precision'), ('recall')) as named(metric)
    """,
    "ml_importances": f"""
        select '{{model}}' as model, version, 'f' || f as feature, random() as mean, 0.1 as std, 1000 as n
        from {VERSIONS}, range(200) as t(f)
    """,
    "ml_profiles": f"""
        select
            '{{model}}' as model, version, 'f' || f as feature, b as bin, 'feature' as role, 'numeric' as kind,
            b::double as lower, b + 1.0 as upper, 1000 as rows, 0.1 as share,
            case when b = 0 then 'f' || (f + 1) % 200 end as partner,
            case when b = 0 then 0.7 end as partner_correlation
        from {VERSIONS}, range(200) as t(f), range(10) as u(b)
    """,
    "ml_windows": f"""
        select
            '{{model}}' as model, version, 'month' as window_size, month as window_start,
            month + to_months(1) as window_end, 400000 as rows_scored, 360000 as rows_labelled
        from {WINDOWS}
    """,
    "ml_distributions": f"""
        select '{{model}}' as model, version, month as window_start, 'f' || f as feature, b as bin, {COUNTED}
        from {WINDOWS}, range(200) as t(f), range(10) as u(b)
        union all
        select
            '{{model}}', version, month, 'ml_estimate', 1000 + 2 * b, {COUNTED.replace("'all'", SLICE)}
        from {WINDOWS}, range({STEPS}) as u(b), range(30) as v(s)
        union all
        select '{{model}}', version, month, 'ml_target', b, {COUNTED} from {WINDOWS}, range(2) as u(b)
    """,
    "ml_performance": f"""
        select
            '{{model}}' as model, version, month as "window", month + to_months(1) as window_end, kind,
            case i when 0 then '{{metric}}' else 'm' || i end as metric,
            {SLICE} as slice, true as is_comparable, 0.3 as baseline,
            0.5 as value, 0.4 as low, 0.6 as high, 100 as n, 0.1 as threshold, 0.5 as reference, false as alert
        from {WINDOWS}, range(8) as t(i), range(30) as u(s), (values ('realized'), ('estimated')) as kinds(kind)
    """,
    "ml_drift": f"""
        select
            '{{model}}' as model, version, 'f' || f as feature, month as "window", month + to_months(1) as window_end,
            baseline, metric, random() as value, 0.2 as threshold, false as alert, 100 as rows_used,
            0 as rows_unused, 1000 as rows_baseline, 'floor' as threshold_from, true as is_comparable
        from
            {WINDOWS}, range(200) as t(f), (values ('training'), ('previous')) as ends(baseline),
            (values ('psi'), ('ks'), ('wasserstein'), ('null_share_change'), ('association_change')) as u(metric)
    """,
}


def declared() -> dict[str, dict[str, str]]:
    """Give the columns of each table that the package publishes, with their types."""
    found = {}
    for path in sorted((Path(__file__).parents[1] / "models").glob("*/_*.yml")):
        for model in yaml.safe_load(path.read_text()).get("models", []):
            types = {each["name"]: each["data_type"] for each in model.get("columns", []) if "data_type" in each}
            if types and model["name"].startswith("ml_"):
                found[model["name"]] = types
    return found


def documents(kind: str) -> dict[str, str]:
    """Give what a version says of itself, in JSON."""
    metric = "rmse" if kind == "number" else "roc_auc"
    spec = {
        "task": "regression" if kind == "number" else "classification", "target": "t", "entity": ["id"], "time": "at",
        "candidates": ["c"], "metric": metric,
    }  # fmt: skip
    calibration = [{"bin": bin_, "n": 100, "mean_predicted": bin_ / 10, "observed": bin_ / 10} for bin_ in range(10)]
    estimation = [{"step": step, "upper": (step + 1) / STEPS} for step in range(STEPS)]
    about = {"type": "DOUBLE", "kind": "numeric", "min": 0.0, "max": 10.0, "nulls": 10, "rows": 1000}
    features = [{"name": f"f{number}", **about} for number in range(200)]
    params = {"classes": CLASSES[kind], "estimator": {"class": "sklearn.dummy.DummyClassifier"}, "seed": 0}
    written = {"spec": spec, "params": params, "calibration": calibration}
    written |= {"estimation": estimation, "features": features}
    return {"metric": metric, **{name: json.dumps(each) for name, each in written.items()}}


def write_build(folder: Path, kind: str, rows: int) -> None:
    """Publish a build by hand, with so many predictions."""
    folder.mkdir(parents=True)
    given = {name: sql.format(model=MODEL, **documents(kind)) for name, sql in TABLES.items()}
    given["ml_predictions"] = PREDICTIONS.format(model=MODEL, rows=rows, values=VALUES[kind])
    columns = {name: types for name, types in declared().items() if name != "ml_predictions_latest"}
    with duckdb.connect(config={"threads": 2}) as connection, new_build(folder, Path(__file__)) as place:
        for name, types in columns.items():
            said = ", ".join(f'"{column}" {type_}' for column, type_ in types.items())
            connection.execute(f"create table {name} ({said})")
            if name in given:
                connection.execute(f"insert into {name} by name {given[name]}")
            connection.execute(f"copy {name} to '{file_of(place, name)}' (format parquet)")
            connection.execute(f"drop table {name}")
        Facts.now(kind, "2025-01-01 00:00:00", "0.17.0", tuple(sorted(columns))).write(place)
