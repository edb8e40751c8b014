"""The metrics, as one literal table; each is computed on rows that count as often as their weights say."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mlbridge.sample import Curve, Floats, Sample, Task, Weighted, dot

DEFAULT_METRIC: Final[dict[str, str]] = {"classification": "average_precision", "regression": "rmse"}


def _macro(parts: Floats, wholes: Floats, empty: float) -> float:
    return float(np.divide(parts, wholes, out=np.full(len(parts), empty), where=wholes > 0).mean())


def _mean_of_defined(values: list[float]) -> float:
    defined = [number for number in values if not math.isnan(number)]
    return sum(defined) / len(defined) if defined else float("nan")


def _average_precision(weighted: Weighted) -> float:
    """Sum of (R_i - R_i-1) P_i over the distinct scores (`sklearn.metrics.average_precision_score`).

    NaN without a positive. With many classes the one-vs-rest mean over the classes that are present.
    """

    def of(curve: Curve) -> float:
        if curve.positives[-1] == 0:
            return float("nan")
        nothing = np.zeros(len(curve.rows))
        precision = np.divide(curve.positives, curve.rows, out=nothing, where=curve.rows > 0)
        return dot(np.diff(curve.positives, prepend=0.0), precision) / float(curve.positives[-1])

    return _mean_of_defined([of(curve) for curve in weighted.curves])


def _roc_auc(weighted: Weighted) -> float:
    """Trapezoids below the ROC curve (`sklearn.metrics.roc_auc_score`, ties count half); one class only: NaN.

    With many classes the one-vs-rest mean over the classes that are present.
    """

    def of(curve: Curve) -> float:
        negatives = curve.rows - curve.positives
        pairs = float(negatives[-1] * curve.positives[-1])
        heights = curve.positives + np.concatenate(([0.0], curve.positives[:-1]))
        return dot(np.diff(negatives, prepend=0.0), heights) / 2 / pairs if pairs else float("nan")

    return _mean_of_defined([of(curve) for curve in weighted.curves])


def _accuracy(weighted: Weighted) -> float:
    """Share of rows whose predicted class is the true one (`sklearn.metrics.accuracy_score`)."""
    return float(weighted.confusion.trace()) / weighted.total


def _precision(weighted: Weighted) -> float:
    """Right / predicted (`sklearn.metrics.precision_score`, of many classes macro); none predicted: 0."""
    right, predicted, _ = weighted.counts
    return _macro(right, predicted, 0.0)


def _recall(weighted: Weighted) -> float:
    """Right / true (`sklearn.metrics.recall_score`, of many classes macro); of two, none positive: NaN."""
    right, _, true = weighted.counts
    return _macro(right, true, float("nan") if weighted.sample.binary else 0.0)


def _f1(weighted: Weighted) -> float:
    """2 right / (predicted + true) (`sklearn.metrics.f1_score`, of many classes macro); 0/0 is NaN."""
    right, predicted, true = weighted.counts
    return _macro(2 * right, predicted + true, float("nan"))


def _log_loss(weighted: Weighted) -> float:
    """Mean of -ln of the true class' probability (`sklearn.metrics.log_loss`)."""
    return weighted.mean(weighted.sample.log_losses)


def _brier(weighted: Weighted) -> float:
    """Mean squared error of the probabilities (`sklearn.metrics.brier_score_loss`)."""
    return weighted.mean(weighted.sample.brier_losses)


def _rmse(weighted: Weighted) -> float:
    """Root of the mean squared error (`sklearn.metrics.root_mean_squared_error`)."""
    return float(np.sqrt(weighted.mean(weighted.sample.errors**2)))


def _mae(weighted: Weighted) -> float:
    """Mean absolute error (`sklearn.metrics.mean_absolute_error`)."""
    return weighted.mean(np.abs(weighted.sample.errors))


def _r2(weighted: Weighted) -> float:
    """1 - squared errors / squared deviations from the mean (`sklearn.metrics.r2_score`).

    NaN where the truth is constant.
    """
    truth = weighted.sample.truth
    drawn = truth[weighted.weights > 0]
    variance = weighted.mean((truth - weighted.mean(truth)) ** 2)
    # The mean of equal numbers can miss them by a bit, so that their variance is not quite zero.
    if variance == 0 or drawn.min() == drawn.max():
        return float("nan")
    return 1 - weighted.mean(weighted.sample.errors**2) / variance


def _median_absolute_error(weighted: Weighted) -> float:
    """Median of the absolute errors, of an even number the mean of the middle two.

    As `sklearn.metrics.median_absolute_error` with whole-number weights.
    """
    order = weighted.sample.error_order
    reached = np.cumsum(weighted.weights[order])
    half = weighted.total / 2
    middle = [np.searchsorted(reached, half, side="left"), np.searchsorted(reached, half, side="right")]
    return float(np.abs(weighted.sample.errors[order[middle]]).mean())


@dataclass(frozen=True)
class Metric:
    """One entry of the table."""

    name: str
    task: Task
    greater_is_better: bool
    compute: Callable[[Weighted], float]


METRICS: Final[dict[str, Metric]] = {
    "average_precision": Metric("average_precision", "classification", True, _average_precision),
    "roc_auc": Metric("roc_auc", "classification", True, _roc_auc),
    "log_loss": Metric("log_loss", "classification", False, _log_loss),
    "brier": Metric("brier", "classification", False, _brier),
    "accuracy": Metric("accuracy", "classification", True, _accuracy),
    "precision": Metric("precision", "classification", True, _precision),
    "recall": Metric("recall", "classification", True, _recall),
    "f1": Metric("f1", "classification", True, _f1),
    "rmse": Metric("rmse", "regression", False, _rmse),
    "mae": Metric("mae", "regression", False, _mae),
    "r2": Metric("r2", "regression", True, _r2),
    "median_absolute_error": Metric("median_absolute_error", "regression", False, _median_absolute_error),
}


def metrics_for(task: str) -> tuple[str, ...]:
    """Name the metrics of a task, in the order of the table."""
    return tuple(name for name, metric in METRICS.items() if metric.task == task)


def greater_is_better(name: str) -> bool:
    """Whether a greater value of the metric is the better one."""
    return METRICS[name].greater_is_better


def value(weighted: Weighted, metric: str) -> float:
    """Compute one metric; NaN where it is not defined."""
    return float(METRICS[metric].compute(weighted)) if weighted.total > 0 else float("nan")


def measure(sample: Sample, weights: npt.ArrayLike | None = None) -> dict[str, float | None]:
    """Compute every metric of the task; a row counts as often as its weight. Not defined: None."""
    weighted = Weighted(sample, weights)
    return {name: json_number(value(weighted, name)) for name in metrics_for(sample.task)}


def json_number(number: float) -> float | None:
    """Turn NaN and infinity, which JSON does not know, into None."""
    return float(number) if np.isfinite(number) else None
