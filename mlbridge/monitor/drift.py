"""Drift as in `ml_drift`: a map of features by windows, and each drift metric over time."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from mlbridge.catalogue.drift import DRIFT_METRICS
from mlbridge.monitor.models import check_choice, checked_version
from mlbridge.monitor.source import State
from mlbridge.spec.specification import MONITORED_OUTPUTS

if TYPE_CHECKING:
    import pandas as pd

BASELINES = ("training", "previous")
WORST = "worst"
LAST = 60  # windows
COLUMNS = [
    "feature", "window", "window_end", "is_comparable", "metric", "value", "threshold", "ratio", "alert", "rows_used",
    "rows_unused", "rows_baseline", "threshold_from", "importance", "worst_ratio", "weight", "order",
]  # fmt: skip
# In the catalogue's order, which decides between metrics that are equally far.
METRIC_ORDER = " ".join(f"when '{name}' then {index}" for index, name in enumerate(DRIFT_METRICS))
CHOSEN = """
model = :model and version = :version and baseline = :baseline and (:metric is null or metric = :metric)
"""
# For each feature and window, of the newest ones, the metric with the largest ratio to its threshold: among metrics
# that alert or can be compared, else among all; a metric without a value is last.
CELLS = f"""
select
    feature, "window", window_end, metric, value, threshold, ratio, any_alert > 0 as alert, rows_used, rows_unused,
    rows_baseline, threshold_from, is_comparable
from (
    select
        *,
        max(case when alert then 1 else 0 end) over (partition by feature, "window") as any_alert,
        row_number() over (
            partition by feature, "window"
            order by
                case when ratio is null then 1 else 0 end, case when alert or is_comparable then 0 else 1 end,
                ratio desc, metric_order
        ) as rank_of_metric
    from (
        select
            *,
            case
                when value is null then null
                when value = 0 then 0
                when threshold = 0 then cast('infinity' as double precision)
                else abs(value) / threshold
            end as ratio,
            case metric {METRIC_ORDER} end as metric_order
        from ml_drift
        where
            {CHOSEN}
            and "window" >= (
                select min("window")
                from (
                    select "window", row_number() over (order by "window" desc) as place
                    from (select distinct "window" from ml_drift where {CHOSEN}) as each_window
                ) as placed
                where place <= :last
            )
    ) as measured
) as ranked
where rank_of_metric = 1
"""  # noqa: S608 - put together of constants only
METRICS = "select distinct metric from ml_drift where model = :model and version = :version"
FEATURES = "select distinct feature from ml_drift where model = :model and version = :version"
IMPORTANCES = "select feature, mean from ml_importances where model = :model and version = :version"
ASSOCIATIONS = """
select
    drift.feature, profile.partner as partners, profile.correlation as correlation_training, drift.value as lost,
    drift.threshold, drift.alert, drift.rows_used, drift.is_comparable
from ml_drift as drift
inner join (
    select feature, max(partner) as partner, max(partner_correlation) as correlation
    from ml_profiles
    where model = :model and version = :version and partner_correlation is not null
    group by feature
) as profile
    on drift.feature = profile.feature
where
    drift.model = :model and drift.version = :version and drift."window" = :window
    and drift.baseline = 'training' and drift.metric = 'association_change'
order by abs(drift.value) desc nulls last, drift.feature
"""
HISTORY = f"""
select "window", metric, value, threshold, alert, rows_used, is_comparable
from ml_drift
where model = :model and version = :version and feature = :feature and baseline = :baseline
order by case metric {METRIC_ORDER} end, "window"
"""  # noqa: S608


def drift(
    state: State,
    model: str,
    version: int,
    baseline: str = "training",
    metric: str = WORST,
    last: int = LAST,
) -> pd.DataFrame:
    """One row per feature and window, of the newest `last` windows: the drift from the baseline over its threshold.

    Columns are `COLUMNS`. `ratio` is |value| / threshold: NULL if the value is NULL, 0 for a value of 0, infinite for
    another value at a threshold of 0. With the metric `worst`, each row shows the metric with the largest ratio, among
    those that alert or can be compared, else among all; `alert` is whether any metric of the feature and window alerts.
    `is_comparable` is whether the window can be compared with whole windows. `worst_ratio` is the feature's largest
    ratio over comparable windows, or over all if none is; otherwise a window that has just begun, with few rows, would
    come first. `importance` is in the unit of the spec's metric, NULL for prediction and target. `weight` is the
    importance (at least 0) times the feature's largest finite ratio over the same windows. `order` numbers the features
    from 0: prediction, target, then by descending weight and `worst_ratio`, then by name. Rows are sorted by `order`
    and window; there are none if there is nothing to compare with. Raises MonitorError for an unknown model, version,
    baseline or metric.
    """
    checked_version(state, model, version)
    check_choice(baseline, BASELINES, "baseline")
    if metric != WORST:
        check_choice(metric, [WORST, *_metrics(state, model, version)], "drift metric")
    parameters = {"baseline": baseline, "metric": None if metric == WORST else metric, "last": last}
    cells = state.ask(CELLS, model=model, version=version, **parameters)
    ordered = _weighed(cells, state.ask(IMPORTANCES, model=model, version=version))
    return ordered.sort_values(["order", "window"], kind="stable")[COLUMNS].reset_index(drop=True)


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
    group = [
        MONITORED_OUTPUTS.index(name) if name in MONITORED_OUTPUTS else len(MONITORED_OUTPUTS)
        for name in features["feature"]
    ]
    keyed = features.assign(group=group, key=features["weight"].fillna(0.0), far=features["worst_ratio"].fillna(0.0))
    by = {"group": True, "key": False, "far": False, "feature": True}
    features = keyed.sort_values(list(by), ascending=list(by.values()))
    features["order"] = np.arange(len(features))
    return cells.merge(features[["feature", "importance", "worst_ratio", "weight", "order"]], on="feature")


def drift_metrics(state: State, model: str, version: int) -> list[str]:
    """Return the names of the drift metrics of a version's features, in the order of the docs."""
    checked_version(state, model, version)
    return _metrics(state, model, version)


def _metrics(state: State, model: str, version: int) -> list[str]:
    found = set(state.ask(METRICS, model=model, version=version)["metric"])
    return [name for name in DRIFT_METRICS if name in found]


def drift_history(state: State, model: str, version: int, feature: str, baseline: str = "training") -> pd.DataFrame:
    """One row per metric of a feature and window, by metric as the docs list them: each on a scale of its own.

    `window, metric, value, threshold, alert, rows_used, is_comparable`; a value is NULL if there are no rows to compute
    it from.
    """
    checked_version(state, model, version)
    check_choice(baseline, BASELINES, "baseline")
    check_choice(feature, sorted(state.ask(FEATURES, model=model, version=version)["feature"]), "feature with drift")
    return state.ask(HISTORY, model=model, version=version, feature=feature, baseline=baseline)


def associations(state: State, model: str, version: int, window: datetime) -> pd.DataFrame:
    """Say how a window's correlations differ from training: one row per feature with partners, the most changed first.

    `feature, partners` (the features that it went together with in training, ` + ` between them),
    `correlation_training` (0 to 1), `correlation` (in the window; NULL where it cannot be computed), `lost` (the share
    of it that is gone, negative where it has grown), `threshold` and `alert` of that share, `rows_used`,
    `is_comparable`. Raises MonitorError for an unknown model or version.
    """
    checked_version(state, model, version)
    found = state.ask(ASSOCIATIONS, model=model, version=version, window=window)
    now = found["correlation_training"] * (1 - found["lost"].astype("float64"))
    found.insert(3, "correlation", now)
    return found
