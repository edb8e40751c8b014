"""What needs a person, and what cannot tell: a model's alerts by what they mean, and how old its newest rows are."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from mlbridge.monitor.plain import records

if TYPE_CHECKING:
    import pandas as pd

NOTE: Final = "note"
"""The severity of what needs no person."""

ALERTS = """
select model, what, since, message, severity, action
from ml_alerts
where is_current
order by
    model, case severity when 'act' then 1 when 'look' then 2 else 3 end, about desc, since, what
"""
# The newest prediction lies in the newest window.
NEWEST = """
select p.model, max(p.time) as newest_at
from ml_predictions as p
inner join (
    select model, max(window_start) as newest from ml_windows group by model
) as w
    on p.model = w.model and p.time >= w.newest
group by p.model
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
DAYS: Final = {"day": 1, "week": 7, "month": 31}
COLUMNS: Final = ["alerts", "alert_list", "acts", "notes", "note_list", "checks", "muted", "newest_at", "is_stale"]


def told(own: dict[str, pd.DataFrame], size: str | None, as_of: datetime) -> dict[str, Any]:
    """Give the columns `COLUMNS` of a model's row; `own` has its rows of `alerts`, `muted` and `newest`.

    `alert_list` has a (what, since, message, severity, action) for each alert that needs a person, those to act on
    first, `note_list` the same for the others; `alerts`, `acts` and `notes` count them. `muted` has a (reason, how
    many) of the `checks` that cannot alert: of drift in the newest window that is over, of realized performance in the
    newest with outcomes. `is_stale` says that the newest
    scored row lies more than two windows before `as_of`.
    """
    alerts = own["alerts"]
    words = alerts[["what", "since", "message", "severity", "action"]]
    is_note = alerts["severity"] == NOTE
    newest = own["newest"]["newest_at"].iloc[0] if len(own["newest"]) else None
    days = DAYS.get(size or "", DAYS["month"])
    checks = records(own["muted"])
    return {
        "alerts": int((~is_note).sum()),
        "alert_list": list(words[~is_note].itertuples(index=False, name=None)),
        "acts": int((alerts["severity"] == "act").sum()),
        "notes": int(is_note.sum()),
        "note_list": list(words[is_note].itertuples(index=False, name=None)),
        "checks": sum(int(each["n"]) for each in checks),
        "muted": [(str(each["muted"]), int(each["n"])) for each in checks if each["muted"] is not None],
        "newest_at": newest,
        "is_stale": newest is not None and (as_of - newest).total_seconds() > 2 * days * 86_400,
    }
