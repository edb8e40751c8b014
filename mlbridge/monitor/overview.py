"""All models at a glance, the one that needs its owner most first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlbridge.monitor.models import models
from mlbridge.monitor.source import State

if TYPE_CHECKING:
    import pandas as pd

WORST_FIRST = ("failed", "alert", "no_champion", "no_version", "unlabelled", "ok")
CHAMPIONS = """
select c.model, c.version, c.candidate, c.pinned, c.trained_at, v.as_of as trained_as_of
from ml_champions as c
inner join ml_versions as v
    on c.model = v.model and c.version = v.version and v.outcome <> 'runner_up'
"""
DECISIONS = """
select model, outcome, reason, decided_at
from (
    select d.*, row_number() over (partition by model order by decided_at desc) as place
    from ml_decisions as d
) as numbered
where place = 1
"""
# What belongs to no model, a staging view or a package's table, can break any of them.
RUNS = """
select r.model, r.status, r.tests_failed, r.started_at
from ml_runs as r
where r.invocation_id = (
    select max(invocation_id) from ml_runs
    where started_at = (select max(started_at) from ml_runs)
)
"""
BUILT = "select model, max(started_at) as built_at from ml_runs where model is not null group by model"
PERFORMANCE = """
select p.model, p.metric, p.kind, p."window", p.window_end, p.value, p.low, p.high, p.n, p.threshold, p.reference
from ml_performance as p
inner join ml_champions as c on p.model = c.model and p.version = c.version
where p.slice = 'all' and p.value is not null
"""
ALERTS = "select model, message from ml_alerts where is_current order by model, about desc, since, what"
DRIFT = """
select d.model, d.feature, d.metric, d.value, d.threshold, d."window"
from ml_drift as d
inner join ml_champions as c on d.model = c.model and d.version = c.version
where d.baseline = 'training' and d.window_end <= :as_of and d.value is not null and d.threshold > 0
"""
FIGURES = ("", "_low", "_high", "_n", "_window")


def overview(state: State) -> pd.DataFrame:
    """One row per declared model, worst first.

    `state` is `failed` (a node or test of its last build), `alert`, `no_champion`, `no_version`, `unlabelled` (nothing
    realized yet) or `ok`. `realized` and `estimated` are the spec's metric in the newest window that is over, else in
    the newest, with 95 % interval, n and window; NULL where there is none. `age_days` counts from what the champion
    was trained on to what the build knows. `alert_messages` are those of the newest window of what they are about;
    `drifted` are the three (feature, metric, value, threshold) farthest above or nearest below their thresholds,
    against training, in the newest window that is over.
    """
    import pandas as pd

    known = models(state)
    tables = {
        name: state.ask(sql, as_of=state.build.as_of)
        for name, sql in {
            "champions": CHAMPIONS, "decisions": DECISIONS, "runs": RUNS, "built": BUILT,
            "performance": PERFORMANCE, "alerts": ALERTS, "drift": DRIFT,
        }.items()
    }  # fmt: skip
    rows = [_row(each, state, tables) for each in known.to_dict("records")]  # type: ignore[arg-type]
    answer = pd.DataFrame(rows, columns=COLUMNS).astype({"version": "Int64", "alerts": "int64"})
    order = answer["state"].map(WORST_FIRST.index)
    return (
        answer.assign(order=order)
        .sort_values(["order", "alerts", "model"], ascending=[True, False, True])
        .drop(columns="order")
        .reset_index(drop=True)
    )


COLUMNS = [
    "model", "state", "version", "candidate", "pinned", "trained_at", "trained_as_of", "age_days", "last_build_at",
    "last_build_status", "decision", "decided_at", "metric", "greater_is_better", "window_size",
    *(f"realized{end}" for end in FIGURES), *(f"estimated{end}" for end in FIGURES),
    "threshold", "reference", "alerts", "alert_messages", "drifted",
]  # fmt: skip


def _row(facts: dict[str, Any], state: State, tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    name = facts["model"]
    own = {key: table[table["model"] == name] for key, table in tables.items()}
    row: dict[str, Any] = {key: facts[key] for key in ("model", "metric", "greater_is_better", "window_size")}
    row |= _last_build(own["built"], tables["runs"], name)
    if len(own["decisions"]):
        decided = own["decisions"].iloc[0]
        row |= {"decision": decided["reason"], "decided_at": decided["decided_at"]}
    row |= {"alerts": len(own["alerts"]), "alert_messages": list(own["alerts"]["message"]), "drifted": []}
    if len(own["champions"]):
        champion = own["champions"].iloc[0]
        row |= {key: champion[key] for key in ("version", "candidate", "pinned", "trained_at", "trained_as_of")}
        row["age_days"] = (state.build.as_of - champion["trained_as_of"]).total_seconds() / 86_400
        row |= _figures(own["performance"], facts["metric"], state)
        row["drifted"] = _drifted(own["drift"])
    return {**row, "state": _word(row, bool(facts["metric"]))}


def _last_build(built: pd.DataFrame, runs: pd.DataFrame, model: str) -> dict[str, Any]:
    """Say when the model was built last, and how the last command that ran anything went for it."""
    at = built["built_at"].iloc[0] if len(built) else None
    concerned = runs[runs["model"].isna() | (runs["model"] == model)]
    failed = concerned["status"].isin(["error", "fail"]).any() or concerned["tests_failed"].fillna(0).gt(0).any()
    skipped = runs.loc[runs["model"] == model, "status"].eq("skipped").any()
    status = "error" if failed else "skipped" if skipped else "success"
    return {"last_build_at": at, "last_build_status": status if len(concerned) else None}


def _figures(performance: pd.DataFrame, metric: str, state: State) -> dict[str, Any]:
    found: dict[str, Any] = {}
    of_metric = performance[performance["metric"] == metric]
    for kind in ("estimated", "realized"):
        rows = of_metric[of_metric["kind"] == kind].sort_values("window")
        over = rows[rows["window_end"] <= state.build.as_of]
        rows = over if len(over) else rows
        if len(rows):
            newest = rows.iloc[-1]
            figures = (newest[key] for key in ("value", "low", "high", "n", "window"))
            found |= dict(zip((f"{kind}{end}" for end in FIGURES), figures, strict=True))
            found |= {"threshold": newest["threshold"], "reference": newest["reference"]}
    return found


def _drifted(drift: pd.DataFrame) -> list[tuple[str, str, float, float]]:
    if drift.empty:
        return []
    newest = drift[drift["window"] == drift["window"].max()]
    ratio = newest["value"].abs() / newest["threshold"]
    worst = newest.assign(ratio=ratio).sort_values(["ratio", "feature"], ascending=[False, True])
    worst = worst.drop_duplicates("feature").head(3)
    return [tuple(each) for each in worst[["feature", "metric", "value", "threshold"]].itertuples(index=False)]


def _word(row: dict[str, Any], trained: bool) -> str:
    if row["last_build_status"] in ("error", "skipped"):
        return "failed"
    if not trained:
        return "no_version"
    if "version" not in row:
        return "no_champion"
    if row["alerts"]:
        return "alert"
    return "ok" if "realized" in row else "unlabelled"
