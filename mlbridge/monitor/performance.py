"""A model's performance by window and slice, as in `ml_performance`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from mlbridge.monitor.models import ENOUGH_ROWS, check_choice, checked_version, model
from mlbridge.monitor.source import State

if TYPE_CHECKING:
    import pandas as pd

HISTORY = """
select version, "window", window_end, kind, value, low, high, n, baseline, threshold, reference, alert, muted
from ml_performance
where model = :model and metric = :metric and slice = :slice and value is not null
order by version, kind desc, "window"
"""
PROMOTIONS = """
select version, candidate, as_of, trained_at, reason
from ml_versions
where model = :model and outcome = 'promoted'
order by as_of, trained_at
"""
CHAMPION = "select version, pinned from ml_champions where model = :model"
METRICS = "select distinct metric from ml_performance where model = :model order by metric"
SLICES = """
select slice, max(n) as n from ml_performance where model = :model group by slice order by max(n) desc, slice
"""
BY_SLICE = """
select slice, kind, value, low, high, n, threshold, alert
from ml_performance
where model = :model and version = :version and metric = :metric and "window" = :window and value is not null
order by n desc, slice, kind desc
"""
WINDOWS = """
select window_start as "window", window_end, rows_scored, rows_labelled, window_end <= :as_of as is_complete
from ml_windows
where model = :model and version = :version
order by window_start
"""
ALL = "all"


def metrics(state: State, model: str) -> list[str]:
    """Return the names of a model's metrics, that of its spec first; none before its first training."""
    own = _metric(state, model)
    found = list(state.ask(METRICS, model=model)["metric"])
    return [own, *(name for name in found if name != own)] if own is not None else []


def _metric(state: State, name: str) -> str | None:
    found = model(state, name)["metric"]
    return None if found is None else str(found)


def slices(state: State, model: str) -> list[str]:
    """Return the names of a model's slices: `all`, then `column=value`, the largest first."""
    found = list(state.ask(SLICES, model=model)["slice"])
    if not found:
        _metric(state, model)
    return [ALL, *(name for name in found if name != ALL)]


def history(state: State, model: str, metric: str | None = None, slice: str = ALL) -> pd.DataFrame:  # noqa: A002
    """One row per version, kind and window: the metric (of the spec, where none is named) with its 95 % interval.

    `version, window, window_end, kind (realized|estimated), value, low, high, n, baseline, threshold, reference, alert,
    muted, in_use, is_comparable`; `baseline` is the value without skill on the same rows, `muted` is why a figure
    cannot alert (NULL if it can). `in_use` is whether the version was champion at the end of the window, or is it now
    if the window has not ended. For past windows it is derived from the promotions, because the time at which a pin was
    set is not stored. `is_comparable` is whether the window has ended and has enough rows to be compared with others.
    Raises MonitorError for an unknown model, metric or slice.
    """
    known = metrics(state, model)
    if metric is not None:
        check_choice(metric, known, "metric")
    check_choice(slice, slices(state, model), "slice")
    found = state.ask(HISTORY, model=model, metric=metric or next(iter(known), None), slice=slice)
    promoted, now = state.ask(PROMOTIONS, model=model), state.ask(CHAMPION, model=model)

    def champion(end: datetime) -> int | None:
        before = now if end > state.build.as_of else promoted[promoted["as_of"] < end]
        return None if before.empty else int(before["version"].iloc[-1])

    ends = {end: champion(end) for end in found["window_end"].unique()}
    comparable = (found["n"] >= ENOUGH_ROWS) & (found["window_end"] <= state.build.as_of)
    return found.assign(in_use=found["window_end"].map(ends) == found["version"], is_comparable=comparable)


def promotions(state: State, model: str) -> pd.DataFrame:
    """One row per version that became champion, oldest first.

    `version, candidate, as_of (what it was trained on), trained_at, reason, pinned (the spec holds it in use now)`.
    """
    found = state.ask(PROMOTIONS, model=model)
    if found.empty:
        _metric(state, model)
    now = state.ask(CHAMPION, model=model)
    return found.assign(pinned=found["version"].isin(now.loc[now["pinned"], "version"]))


def by_slice(state: State, model: str, version: int, metric: str, window: datetime) -> pd.DataFrame:
    """One row per slice and kind within one window, the largest slices first; no rows where nothing was measured.

    `slice, column, value_of, kind, value, low, high, n, threshold, alert`; `column` and `value_of` are NULL for `all`.
    """
    checked_version(state, model, version)
    check_choice(metric, metrics(state, model), "metric")
    found = state.ask(BY_SLICE, model=model, version=version, metric=metric, window=window)
    named = found["slice"].str.extract("(?s)^(?P<column>.+?)=(?P<value_of>.*)$")
    return found[["slice"]].join(named).join(found.drop(columns="slice"))


def windows(state: State, model: str, version: int) -> pd.DataFrame:
    """One row per window with rows that a version has scored: their number, and whether the window has ended.

    `window, window_end, rows_scored, rows_labelled, is_complete`.
    """
    checked_version(state, model, version)
    return state.ask(WINDOWS, model=model, version=version, as_of=state.build.as_of)
