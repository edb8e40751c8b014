"""Whether the world has moved: a map of features by windows, and each metric over time, as `ml_drift` says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlbridge.monitor.models import check, checked_version
from mlbridge.monitor.source import State
from mlbridge.spec import DRIFT_METRICS, WATCHED

if TYPE_CHECKING:
    import pandas as pd

BASELINES = ("training", "previous")
WORST = "worst"
COLUMNS = [
    "feature", "window", "window_end", "is_comparable", "metric", "value", "threshold", "ratio", "alert", "rows_used",
    "rows_unused", "rows_baseline", "threshold_from", "importance", "worst_ratio", "weight", "order",
]  # fmt: skip
DRIFT = """
select
    feature, "window", window_end, metric, value, threshold, alert, rows_used, rows_unused, rows_baseline,
    threshold_from, is_comparable
from ml_drift
where model = :model and version = :version and baseline = :baseline
"""
METRICS = "select distinct metric from ml_drift where model = :model and version = :version"
FEATURES = "select distinct feature from ml_drift where model = :model and version = :version"
IMPORTANCES = "select feature, mean from ml_importances where model = :model and version = :version"
HISTORY = """
select "window", metric, value, threshold, alert, rows_used, is_comparable
from ml_drift
where model = :model and version = :version and feature = :feature and baseline = :baseline
"""


def drift(state: State, model: str, version: int, baseline: str = "training", metric: str = WORST) -> pd.DataFrame:
    """One row per feature and window: how far it is from the baseline, as a multiple of what is usual.

    `ratio` is |value| / threshold: NULL where the value is, 0 for a value of 0, infinite for any other at a threshold
    of 0. `worst` takes in each cell the metric with the largest ratio, and `alert` then says whether any metric of the
    cell alarms: the one that is shown is farther above its threshold than that one. `worst_ratio` is the feature's
    largest among the windows that can be compared with whole ones (`is_comparable`), or among all where none can: what
    a few rows say of a window that has just begun would come first. `importance` is in the unit of the spec's metric,
    NULL for the prediction and the target; `weight` is that (a negative one as 0) times the largest finite ratio of the
    same windows. `order` numbers the features from 0: the prediction and the target, then by weight, by `worst_ratio`
    and by name. No rows where there is nothing to compare with. Rows are in that order, then by window.
    """
    checked_version(state, model, version)
    check(baseline, BASELINES, "baseline")
    if metric != WORST:
        check(metric, [WORST, *_metrics(state, model, version)], "drift metric")
    found = state.ask(DRIFT, model=model, version=version, baseline=baseline)
    found = found.assign(ratio=_ratio(found))
    cells = _worst(found) if metric == WORST else found[found["metric"] == metric]
    ordered = _weighed(cells, state.ask(IMPORTANCES, model=model, version=version))
    return ordered.sort_values(["order", "window"], kind="stable")[COLUMNS].reset_index(drop=True)


def _ratio(found: pd.DataFrame) -> pd.Series[float]:
    size = found["value"].astype("float64").abs()
    return (size / found["threshold"].astype("float64")).mask(size == 0, 0.0)


def _worst(found: pd.DataFrame) -> pd.DataFrame:
    cell = ["feature", "window"]
    alert = found.groupby(cell)["alert"].transform("any").astype("bool")
    ranked = found.assign(alert=alert, place=found["metric"].map(_places()))
    ranked = ranked.sort_values([*cell, "ratio", "place"], ascending=[True, True, False, True], kind="stable")
    return ranked.drop_duplicates(cell)


def _places() -> dict[str, int]:
    return {name: place for place, name in enumerate(DRIFT_METRICS)}


def _weighed(cells: pd.DataFrame, importances: pd.DataFrame) -> pd.DataFrame:
    """Add `importance`, `worst_ratio`, `weight` and `order`, all of the feature."""
    import numpy as np
    import pandas as pd

    comparable = cells["is_comparable"].astype("bool")
    decided = comparable | ~comparable.groupby(cells["feature"]).transform("any")
    ratio = cells["ratio"].where(decided)
    worst = ratio.groupby(cells["feature"]).max()
    finite = ratio.where(np.isfinite(ratio)).groupby(cells["feature"]).max()
    features = pd.DataFrame({"worst_ratio": worst}).rename_axis("feature").reset_index()
    mean = importances.set_index("feature")["mean"].astype("float64")
    features["importance"] = features["feature"].map(mean).astype("float64")
    features["weight"] = features["importance"].clip(lower=0) * features["feature"].map(finite).astype("float64")
    # The prediction before the target, then the features.
    group = [WATCHED.index(name) if name in WATCHED else len(WATCHED) for name in features["feature"]]
    keyed = features.assign(group=group, key=features["weight"].fillna(0.0), far=features["worst_ratio"].fillna(0.0))
    by = {"group": True, "key": False, "far": False, "feature": True}
    features = keyed.sort_values(list(by), ascending=list(by.values()))
    features["order"] = np.arange(len(features))
    return cells.merge(features[["feature", "importance", "worst_ratio", "weight", "order"]], on="feature")


def drift_metrics(state: State, model: str, version: int) -> list[str]:
    """Name the metrics that a version's features are watched by, as the docs list them."""
    checked_version(state, model, version)
    return _metrics(state, model, version)


def _metrics(state: State, model: str, version: int) -> list[str]:
    found = set(state.ask(METRICS, model=model, version=version)["metric"])
    return [name for name in DRIFT_METRICS if name in found]


def drift_history(state: State, model: str, version: int, feature: str, baseline: str = "training") -> pd.DataFrame:
    """One row per metric of a feature and window, by metric as the docs list them: each on a scale of its own.

    `window, metric, value, threshold, alert, rows_used, is_comparable`; a NULL value is one that no row allows to
    compute.
    """
    checked_version(state, model, version)
    check(baseline, BASELINES, "baseline")
    check(feature, sorted(state.ask(FEATURES, model=model, version=version)["feature"]), "feature with drift")
    found = state.ask(HISTORY, model=model, version=version, feature=feature, baseline=baseline)
    found = found.assign(place=found["metric"].map(_places())).sort_values(["place", "window"])
    return found.drop(columns="place").reset_index(drop=True)
