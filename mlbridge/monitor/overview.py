"""All models at a glance, the one that needs its owner most first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlbridge.monitor import alerts
from mlbridge.monitor.models import ENOUGH_ROWS, models
from mlbridge.monitor.plain import records
from mlbridge.monitor.source import State

if TYPE_CHECKING:
    import pandas as pd

WORST_FIRST = ("failed", "act", "alert", "no_champion", "no_version", "unlabelled", "ok")
CHAMPIONS = """
select c.model, c.version, c.candidate, c.pinned, c.trained_at, v.as_of as trained_as_of
from ml_champions as c
inner join ml_versions as v
    on c.model = v.model and c.version = v.version and v.outcome <> 'runner_up'
"""
# That nothing was to be trained says less than why a training had no success.
DECISIONS = """
select
    model, reason, decided_at,
    outcome = 'withheld' and not exists (
        select 1 from ml_versions as v
        where v.model = numbered.model and v.version = numbered.version and v.is_retired
    ) as withheld
from (
    select
        model, reason, decided_at, outcome, version,
        row_number() over (
            partition by model
            order by case when outcome = 'skipped' then 1 else 0 end, decided_at desc, as_of desc, invocation_id desc
        ) as place
    from ml_decisions
) as numbered
where place = 1
"""
# What became of each node when it was run last: of a model's own, and of those that serve all models. A node of the
# host is not among them: where one fails, the models that need it are skipped.
NODES = """
select n.name, n.model, r.status, r.tests_failed
from ml_nodes as n
inner join (
    select
        begun.node, begun.status, begun.tests_failed,
        row_number() over (partition by begun.node order by begun.at desc, begun.invocation_id) as place
    from (
        select
            node, status, tests_failed, invocation_id,
            coalesce(min(started_at) over (partition by invocation_id), as_of) as at
        from ml_runs
    ) as begun
) as r
    on n.name = r.node and r.place = 1
where n.kind <> 'source' and (n.model is not null or n.stage <> 'host')
order by n.name
"""
# Of a command in which all of a model's nodes were skipped, it is the moment at which its first node began.
BUILT = """
select model, max(at) as built_at
from (
    select model, coalesce(min(started_at) over (partition by invocation_id), as_of) as at from ml_runs
) as begun
where model is not null
group by model
"""
PERFORMANCE = """
select p.model, p.metric, p.kind, p."window", p.window_end, p.value, p.low, p.high, p.n, p.threshold, p.reference
from ml_performance as p
inner join ml_champions as c on p.model = c.model and p.version = c.version
where p.slice = 'all' and p.value is not null
order by p."window"
"""
DRIFT = """
select model, feature, metric, value, threshold
from (
    select
        d.model, d.feature, d.metric, d.value, d.threshold, d."window",
        max(d."window") over (partition by d.model) as newest
    from ml_drift as d
    inner join ml_champions as c on d.model = c.model and d.version = c.version
    where d.baseline = 'training' and d.is_comparable and d.value is not null
) as measured
where "window" = newest
"""
ASKED = {
    "champions": CHAMPIONS, "decisions": DECISIONS, "built": BUILT, "performance": PERFORMANCE, "drift": DRIFT,
    "alerts": alerts.ALERTS, "newest": alerts.NEWEST,
}  # fmt: skip
FIGURES = ("", "_low", "_high", "_n", "_window")
COLUMNS = [
    "model", "state", "version", "candidate", "pinned", "trained_at", "trained_as_of", "age_days", "last_build_at",
    "last_build_status", "troubled", "decision", "decided_at", "withheld", "metric", "greater_is_better", "window_size",
    *(f"{kind}{end}" for kind in ("realized", "estimated") for end in FIGURES),
    "threshold", "reference", *alerts.COLUMNS, "drifted",
]  # fmt: skip
TYPES = {
    **dict.fromkeys(("version", "realized_n", "estimated_n"), "Int64"),
    **dict.fromkeys(("alerts", "acts", "notes", "checks"), "int64"),
    "is_stale": "bool",
    **dict.fromkeys(("model", "state", "candidate", "last_build_status", "decision", "metric", "window_size"), "str"),
    "withheld": "bool",
    **dict.fromkeys(("trained_at", "trained_as_of", "last_build_at", "decided_at", "newest_at"), "datetime64[us]"),
    **dict.fromkeys(("realized_window", "estimated_window"), "datetime64[us]"),
    **dict.fromkeys(("age_days", "realized", "realized_low", "realized_high"), "float64"),
    **dict.fromkeys(("estimated", "estimated_low", "estimated_high", "threshold", "reference"), "float64"),
}


def overview(state: State) -> pd.DataFrame:
    """One row per declared model, worst first: by state, then by alerts to act on, by alerts to look at, by name.

    `state` is `failed` (a node of its own or one that serves all models, or a test of one, when it was run last),
    `act` (performance lost), `alert` (something to look at), `no_champion`, `no_version`, `unlabelled` (nothing
    realized yet) or `ok`; notes change none. `last_build_status` is error,
    skipped or success; `troubled` has (node, "failed", "skipped" or how many tests failed) for each that is to blame,
    the skipped last; `decision` is the last one that was about a training, else the last, whose version may be
    `withheld` (and not retired). `realized` and `estimated` are the spec's metric in the newest window that is over and
    has `ENOUGH_ROWS`, else that is over, else in the newest, with 95 % interval, n and window; `threshold` and
    `reference` go with `realized`, without it with `estimated`. `age_days` counts from what the champion was trained on
    to what the build knows. What `alerts.told` gives is of the newest window of what each alert is about; `drifted`
    are the three (feature, metric, value, threshold) farthest above or nearest below their thresholds, against
    training, in the newest window that can be compared with whole ones. What there is not is NULL, or an empty
    list.
    """
    import pandas as pd

    tables = {name: state.ask(sql) for name, sql in ASKED.items()}
    tables["muted"] = state.ask(alerts.MUTED, as_of=state.build.as_of)
    nodes = state.ask(NODES)
    rows = []
    for facts in models(state).to_dict("records"):
        own = {name: table[table["model"] == facts["model"]] for name, table in tables.items()}
        concerned = nodes[nodes["model"].isna() | (nodes["model"] == facts["model"])]
        rows.append(_row(facts, own, concerned, state))
    answer = pd.DataFrame(rows, columns=COLUMNS, dtype=object).astype(TYPES)
    order = answer["state"].map(WORST_FIRST.index)
    by = {"order": True, "acts": False, "alerts": False, "model": True}
    answer = answer.assign(order=order).sort_values(list(by), ascending=list(by.values()))
    return answer.drop(columns="order").reset_index(drop=True)


def _row(facts: Any, own: dict[str, pd.DataFrame], nodes: pd.DataFrame, state: State) -> dict[str, Any]:
    row: dict[str, Any] = {key: facts[key] for key in ("model", "metric", "greater_is_better", "window_size")}
    row |= {"last_build_at": _first(own["built"], "built_at"), "last_build_status": _status(nodes)}
    row["troubled"] = _troubled(nodes)
    row |= {"decision": _first(own["decisions"], "reason"), "decided_at": _first(own["decisions"], "decided_at")}
    row["withheld"] = bool(_first(own["decisions"], "withheld"))
    row |= {**alerts.told(own, facts["window_size"], state.build.as_of), "drifted": []}
    if len(own["champions"]):
        champion = own["champions"].iloc[0]
        row |= {key: champion[key] for key in ("version", "candidate", "pinned", "trained_at", "trained_as_of")}
        row["age_days"] = (state.build.as_of - champion["trained_as_of"]).total_seconds() / 86_400
        row |= _figures(own["performance"][own["performance"]["metric"] == facts["metric"]], state)
        row["drifted"] = _drifted(own["drift"])
    return {**row, "state": _word(row)}


def _first(table: pd.DataFrame, column: str) -> Any:
    return table[column].iloc[0] if len(table) else None


def _status(nodes: pd.DataFrame) -> str | None:
    if nodes.empty:
        return None
    if nodes["status"].isin(["error", "fail"]).any() or nodes["tests_failed"].fillna(0).gt(0).any():
        return "error"
    return "skipped" if nodes["status"].eq("skipped").any() else "success"


def _troubled(nodes: pd.DataFrame) -> list[tuple[str, str]]:
    told = {"error": "failed", "fail": "failed", "skipped": "skipped"}
    found = []
    for node in records(nodes):
        tests = int(node["tests_failed"] or 0)
        if node["status"] in told or tests:
            what = told.get(node["status"], f"{tests} test{'s' if tests > 1 else ''} failed")
            found.append((str(node["name"]), what))
    return sorted(found, key=lambda each: (each[1] == "skipped", each[0]))


def _figures(performance: pd.DataFrame, state: State) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind in ("estimated", "realized"):
        rows = performance[performance["kind"] == kind]
        over = rows[rows["window_end"] <= state.build.as_of]
        many = over[over["n"] >= ENOUGH_ROWS]
        for _, newest in next(each for each in (many, over, rows) if len(each) or each is rows).tail(1).iterrows():
            figures = (newest[key] for key in ("value", "low", "high", "n", "window"))
            found |= dict(zip((f"{kind}{end}" for end in FIGURES), figures, strict=True))
            found |= {"threshold": newest["threshold"], "reference": newest["reference"]}
    return found


def _drifted(drift: pd.DataFrame) -> list[tuple[str, str, float, float]]:
    """Of a threshold of 0 any value but 0 is infinitely far above."""
    value = drift["value"].abs()
    worst = drift.assign(ratio=(value / drift["threshold"]).mask(value == 0, 0.0))
    worst = worst.sort_values(["ratio", "feature", "metric"], ascending=[False, True, True]).drop_duplicates("feature")
    return list(worst.head(3)[["feature", "metric", "value", "threshold"]].itertuples(index=False, name=None))


def _word(row: dict[str, Any]) -> str:
    if row["last_build_status"] in ("error", "skipped"):
        return "failed"
    if row["metric"] is None:
        return "no_version"
    if "version" not in row:
        return "no_champion"
    if row["acts"]:
        return "act"
    if row["alerts"]:
        return "alert"
    return "ok" if "realized" in row else "unlabelled"
