"""How well a model does, window by window and slice by slice, as `ml_performance` says it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from mlbridge.monitor.models import check, model
from mlbridge.monitor.source import State

if TYPE_CHECKING:
    import pandas as pd

HISTORY = """
select p.version, p."window", p.window_end, p.kind, p.value, p.low, p.high, p.n, p.threshold, p.reference, p.alert
from ml_performance as p
where p.model = :model and p.metric = :metric and p.slice = :slice and p.value is not null
order by p.version, p.kind desc, p."window"
"""
PROMOTIONS = """
select version, candidate, as_of, trained_at, reason
from ml_versions
where model = :model and outcome = 'promoted'
order by as_of, trained_at
"""
PINNED = "select version from ml_champions where model = :model and pinned"
METRICS = """
select metric, min(slice) as slice from ml_performance where model = :model group by metric order by metric
"""
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


def metrics(state: State, model: str) -> list[str]:
    """Name the metrics that a model is watched by, the one of its spec first."""
    own = _metric(state, model)
    found = list(state.ask(METRICS, model=model)["metric"])
    return [*(name for name in found if name == own), *(name for name in found if name != own)] or [own]


def _metric(state: State, name: str) -> str:
    return str(model(state, name)["metric"])


def slices(state: State, model: str) -> list[str]:
    """Name the slices that a model is measured on: `all`, then `column=value`, the largest first."""
    found = list(state.ask(SLICES, model=model)["slice"])
    return ["all", *(name for name in found if name != "all")]


def history(state: State, model: str, metric: str | None = None, part: str = "all") -> pd.DataFrame:
    """One row per version, kind and window: the metric (of the spec, where none is named) with its 95 % interval.

    `version, window, window_end, kind (realized|estimated), value, low, high, n, threshold, reference, alert, in_use`;
    `in_use` says whether the version was champion when the window ended, by the promotions alone.
    """
    metric = metric or _metric(state, model)
    check(metric, metrics(state, model), "metric")
    check(part, slices(state, model), "slice")
    found = state.ask(HISTORY, model=model, metric=metric, slice=part)
    promoted = state.ask(PROMOTIONS, model=model)

    champions = [
        (promoted.loc[promoted["as_of"] < end, "version"].tolist() or [None])[-1] for end in found["window_end"]
    ]
    in_use = [champion == version for champion, version in zip(champions, found["version"], strict=True)]
    return found.assign(in_use=in_use, version=found["version"].astype("int64"))


def promotions(state: State, model: str) -> pd.DataFrame:
    """One row per version that became champion, oldest first.

    `version, candidate, as_of (what it was trained on), trained_at, reason, pinned (the spec holds it in use now)`.
    """
    found = state.ask(PROMOTIONS, model=model)
    pinned = set(state.ask(PINNED, model=model)["version"])
    return found.assign(pinned=found["version"].isin(pinned))


def by_slice(state: State, model: str, version: int, metric: str, window: datetime) -> pd.DataFrame:
    """One row per slice and kind within one window, the largest slices first.

    `slice, column, value_of, kind, value, low, high, n, threshold, alert`; `column` and `value_of` are NULL for `all`.
    """
    check(metric, metrics(state, model), "metric")
    found = state.ask(BY_SLICE, model=model, version=version, metric=metric, window=window)
    parts = found["slice"].str.partition("=")
    whole = found["slice"] == "all"
    return found.assign(column=parts[0].mask(whole), value_of=parts[2].mask(whole))


def windows(state: State, model: str, version: int) -> pd.DataFrame:
    """One row per window that a version has scored rows of: `window, window_end, rows_scored, rows_labelled, is_complete`."""
    return state.ask(WINDOWS, model=model, version=version, as_of=state.build.as_of)
