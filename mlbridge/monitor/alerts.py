"""A model's current alerts by severity, and the checks that cannot alert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from mlbridge.monitor.records import records
from mlbridge.typing import Row

if TYPE_CHECKING:
    import pandas as pd

NOTE: Final = "note"
"""The severity of an alert that needs no action."""

ALERTS = """
select model, what, since, message, severity, action, feature, baseline, kind, slice, "window", version
from ml_alerts
where is_current
order by
    model, case severity when 'act' then 1 when 'look' then 2 else 3 end, about desc, since, what
"""
MUTED = """
select model, muted, count(*) as n
from (
    select d.model, d.muted, d."window", max(d."window") over (partition by d.model) as newest
    from ml_drift as d
    inner join ml_champions as c on d.model = c.model and d.version = c.version
    where d.window_end <= :as_of
    union all
    select p.model, p.muted, p."window", max(p."window") over (partition by p.model) as newest
    from ml_performance as p
    inner join ml_champions as c on p.model = c.model and p.version = c.version
    where p.window_end <= :as_of and p.kind = 'realized' and p.slice = 'all' and p.n > 0
) as over
where "window" = newest
group by model, muted
order by model, n desc, muted
"""
COLUMNS: Final = ["alerts", "alert_list", "acts", "notes", "note_list", "checks", "muted"]


class Alert(NamedTuple):
    """A current row of `ml_alerts`: `feature` and `baseline` of drift, `kind` and `slice` of performance, else None."""

    what: str
    since: pd.Timestamp
    message: str
    severity: str
    action: str
    feature: str | None
    baseline: str | None
    kind: str | None
    slice: str | None
    window: pd.Timestamp
    version: int


def alert_columns(own: dict[str, pd.DataFrame]) -> Row:
    """Return the columns `COLUMNS` of a model's row; `own` has its rows of the queries `alerts` and `muted`.

    `alert_list` has the alerts of severity act or look, act first; `note_list` the notes. `alerts`, `acts` and `notes`
    are their numbers. `checks` is the number of checks in the newest window: of drift in the newest one that has ended,
    of realized performance in the newest one with outcomes; `muted` has a tuple (reason, number) of those that cannot
    alert.
    """
    found = [Alert(**{name: row[name] for name in Alert._fields}) for row in records(own["alerts"])]
    alerts, notes = ([each for each in found if (each.severity == NOTE) is is_note] for is_note in (False, True))
    checks = records(own["muted"])
    return {
        "alerts": len(alerts),
        "alert_list": alerts,
        "acts": sum(each.severity == "act" for each in alerts),
        "notes": len(notes),
        "note_list": notes,
        "checks": sum(int(each["n"]) for each in checks),
        "muted": [(str(each["muted"]), int(each["n"])) for each in checks if each["muted"] is not None],
    }
