"""One row per model with its verdict, alerts and main figures; the worst verdict first."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

from mlbridge.monitor.incidents import MUTED, in_newest, muted_columns
from mlbridge.monitor.models import models
from mlbridge.monitor.source import State
from mlbridge.typing import Row, Value

if TYPE_CHECKING:
    import pandas as pd

WORST_FIRST = ("act", "look", "cannot tell", "fine")
HEALTH_COLUMNS = (
    "verdict", "reason", "action", "since", "version", "candidate", "trained_as_of", "kind", "baseline", "threshold",
    "reference", "newest_row_at", "last_build_at", "last_build_state", "next_build_expected_by", "last_decision",
    "alerts_act", "alerts_look", "alerts_note",
)  # fmt: skip
HEALTH = "select * from ml_health"
CHAMPIONS = "select model, pinned from ml_champions"
# Decisions other than `skipped` come first, because the reason of a training says more than that none was needed.
DECISIONS = """
select model, reason
from (
    select
        model, reason,
        row_number() over (
            partition by model
            order by case when outcome = 'skipped' then 1 else 0 end, decided_at desc, as_of desc, invocation_id desc
        ) as preference
    from ml_decisions
) as numbered
where preference = 1
"""
PERFORMANCE = """
select p.model, p.metric, p.kind, p."window", p.window_end, p.value, p.low, p.high, p.n, p.is_comparable
from ml_performance as p
inner join ml_champions as c on p.model = c.model and p.version = c.version
where p.metric = :metric and p.slice = 'all' and p.value is not null
order by p."window"
"""
DRIFT = in_newest(
    "ml_drift",
    "t.model, t.feature, t.metric, t.value, t.threshold",
    "t.baseline = 'training' and t.is_comparable and t.value is not null",
)
QUERIES = {"health": HEALTH, "champions": CHAMPIONS, "decisions": DECISIONS, "drift": DRIFT}
FIGURES = ("", "_low", "_high", "_n", "_window")
COURSE = 60  # windows
COLUMNS = [
    "model", *HEALTH_COLUMNS, "pinned", "age_days", "decision", "metric", "greater_is_better", "window_size",
    *(f"{kind}{end}" for kind in ("realized", "estimated") for end in FIGURES), "checks", "muted", "drifted",
    "course",
]  # fmt: skip
TYPES = {
    **dict.fromkeys(("version", "realized_n", "estimated_n", "alerts_act", "alerts_look", "alerts_note"), "Int64"),
    "checks": "int64",
    **dict.fromkeys(("model", "verdict", "reason", "action", "candidate", "last_build_state", "last_decision"), "str"),
    "kind": "str",
    **dict.fromkeys(("decision", "metric", "window_size"), "str"),
    **dict.fromkeys(("since", "trained_as_of", "newest_row_at", "last_build_at"), "datetime64[us]"),
    **dict.fromkeys(("next_build_expected_by", "realized_window", "estimated_window"), "datetime64[us]"),
    **dict.fromkeys(("age_days", "realized", "realized_low", "realized_high"), "float64"),
    **dict.fromkeys(("estimated", "estimated_low", "estimated_high", "baseline", "threshold", "reference"), "float64"),
}


def overview(state: State) -> pd.DataFrame:
    """One row per declared model, worst first: by verdict, then by alerts to act on, by alerts to look at, by name.

    Columns are `COLUMNS`; times are UTC; a missing value is NULL or an empty list.

    - `HEALTH_COLUMNS` are those of `ml_health`.
    - `decision`: the reason of the last decision other than `skipped`, else of the last one.
    - `realized`, `estimated`: the spec's metric with `_low` and `_high` (95 % interval), `_n` and `_window`, in the
      newest comparable window, else in the newest that has ended, else in the newest.
    - `age_days`: from the champion's `as_of` to that of the build.
    - the columns of `incidents.muted_columns`.
    - `drifted`: up to three tuples (feature, metric, value, threshold) with the largest ratio of value to threshold,
      against training, in the newest comparable window.
    - `course`: the realized values of the spec's metric over the newest `COURSE` windows that can be compared.
    """
    import pandas as pd

    tables = {name: state.ask(sql) for name, sql in QUERIES.items()}
    tables["muted"] = state.ask(MUTED, as_of=state.build.as_of)
    known = models(state)
    # All metrics of all windows together would be many times the rows.
    asked = [state.ask(PERFORMANCE, metric=metric) for metric in sorted(set(known["metric"].dropna()))]
    tables["performance"] = pd.concat(asked) if asked else pd.DataFrame(columns=["model"])
    parts = {name: dict(list(table.groupby("model"))) for name, table in tables.items()}
    rows = []
    for facts in known.to_dict("records"):
        own = {name: parts[name].get(facts["model"], table.head(0)) for name, table in tables.items()}
        rows.append(_row(facts, own, state))
    answer = pd.DataFrame(rows, columns=COLUMNS, dtype=object).astype(TYPES)
    order = answer["verdict"].map(WORST_FIRST.index)
    by = {"order": True, "alerts_act": False, "alerts_look": False, "model": True}
    answer = answer.assign(order=order).sort_values(list(by), ascending=list(by.values()))
    return answer.drop(columns="order").reset_index(drop=True)


def _row(facts: Mapping[Hashable, Value], own: dict[str, pd.DataFrame], state: State) -> Row:
    row: Row = {key: facts[key] for key in ("model", "metric", "greater_is_better", "window_size")}
    row |= {key: _first(own["health"], key) for key in HEALTH_COLUMNS}
    row["decision"] = _first(own["decisions"], "reason")
    row |= {**muted_columns(own), "drifted": [], "course": []}
    if len(own["champions"]):
        row["pinned"] = _first(own["champions"], "pinned")
        row["age_days"] = (state.build.as_of - row["trained_as_of"]).total_seconds() / 86_400
        measured = own["performance"][own["performance"]["metric"] == facts["metric"]]
        row |= _figures(measured, state)
        compared = measured["is_comparable"] & (measured["kind"] == "realized")
        row["course"] = measured.loc[compared, "value"].tolist()[-COURSE:]
        row["drifted"] = _drifted(own["drift"])
    return row


def _first(table: pd.DataFrame, column: str) -> Value:
    return table[column].iloc[0] if len(table) else None


def _figures(performance: pd.DataFrame, state: State) -> Row:
    found: Row = {}
    for kind in ("estimated", "realized"):
        rows = performance[performance["kind"] == kind]
        over = rows[rows["window_end"] <= state.build.as_of]
        best = rows[rows["is_comparable"]]
        for _, newest in next(each for each in (best, over, rows) if len(each) or each is rows).tail(1).iterrows():
            figures = (newest[key] for key in ("value", "low", "high", "n", "window"))
            found |= dict(zip((f"{kind}{end}" for end in FIGURES), figures, strict=True))
    return found


def _drifted(drift: pd.DataFrame) -> list[tuple[str, str, float, float]]:
    """Return the three most drifted features; at a threshold of 0, any value but 0 has an infinite ratio."""
    value = drift["value"].abs()
    worst = drift.assign(ratio=(value / drift["threshold"]).mask(value == 0, 0.0))
    worst = worst.sort_values(["ratio", "feature", "metric"], ascending=[False, True, True]).drop_duplicates("feature")
    return list(worst.head(3)[["feature", "metric", "value", "threshold"]].itertuples(index=False, name=None))
