"""What is wrong now, a row for each cause, with the alerts behind it; and the checks that cannot alert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from mlbridge.monitor.records import records
from mlbridge.monitor.source import State
from mlbridge.typing import Row

if TYPE_CHECKING:
    import pandas as pd

NOTE: Final = "note"
"""The severity of an alert that needs no action."""
WORST_FIRST: Final = ("act", "look", NOTE)

# A build that failed comes first: what the tables say of the rest is then of an earlier one.
INCIDENTS = """
select incident, severity, models, about, since, message, action
from ml_incidents
order by
    case severity when 'act' then 1 when 'look' then 2 else 3 end,
    case about when 'build' then 1 when 'performance' then 2 when 'drift' then 4 else 3 end,
    since, incident
"""
ALERTS = """
select
    incident, model, what, since, message, severity, action, feature, baseline, kind, slice, metric, "window", version
from ml_alerts
where is_current
order by case severity when 'act' then 1 when 'look' then 2 else 3 end, about desc, since, model, what
"""


def in_newest(table: str, columns: str, where: str) -> str:
    """Write a SELECT from a table `t` of windows: of each model's version in use, rows of the newest with such rows.

    The newest windows are found first, because the rows of all windows together are too many to be held.
    """
    return f"""
select {columns}
from {table} as t
inner join (
    select t.model, t.version, max(t."window") as newest
    from {table} as t
    inner join ml_champions as c on t.model = c.model and t.version = c.version
    where {where}
    group by t.model, t.version
) as n on t.model = n.model and t.version = n.version and t."window" = n.newest
where {where}
"""  # noqa: S608 - put together of constants only


MUTED_DRIFT = in_newest("ml_drift", "t.model, t.muted", "t.window_end <= :as_of")
MUTED_PERFORMANCE = in_newest(
    "ml_performance",
    "t.model, t.muted",
    "t.window_end <= :as_of and t.kind = 'realized' and t.slice = 'all' and t.n > 0",
)
MUTED = f"""
select model, muted, count(*) as n
from ({MUTED_DRIFT} union all {MUTED_PERFORMANCE}) as newest
group by model, muted
order by model, n desc, muted
"""  # noqa: S608


class Alert(NamedTuple):
    """A current row of `ml_alerts`: `feature` and `baseline` of drift, `kind` and `slice` of performance, else None."""

    model: str
    what: str
    since: pd.Timestamp
    message: str
    severity: str
    action: str
    feature: str | None
    baseline: str | None
    kind: str | None
    slice: str | None
    metric: str
    window: pd.Timestamp
    version: int


def incidents(state: State) -> pd.DataFrame:
    """One row per incident of `ml_incidents`, the most severe first; none if nothing is wrong.

    `incident, severity, models` (a list of names), `about, since` (UTC, NULL where it is not known), `message, action,
    alerts` (a list of `Alert`, the most severe first; empty where the incident is about none).
    """
    found = state.ask(INCIDENTS)
    behind: dict[str, list[Alert]] = {name: [] for name in found["incident"]}
    for row in records(state.ask(ALERTS)):
        if row["incident"] in behind:
            behind[row["incident"]].append(Alert(**{name: row[name] for name in Alert._fields}))
    return found.assign(models=found["models"].str.split(", "), alerts=found["incident"].map(behind))


def muted_columns(own: dict[str, pd.DataFrame]) -> Row:
    """Return the columns `checks` and `muted` of a model's row; `own` has its rows of the query `MUTED`.

    `checks` is the number of checks in the newest window: of drift in the newest one that has ended, of realized
    performance in the newest one with outcomes; `muted` has a tuple (reason, number) of those that cannot alert.
    """
    checks = records(own["muted"])
    return {
        "checks": sum(int(each["n"]) for each in checks),
        "muted": [(str(each["muted"]), int(each["n"])) for each in checks if each["muted"] is not None],
    }
