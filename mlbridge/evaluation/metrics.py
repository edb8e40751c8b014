"""The metrics of `mlbridge.catalogue`, computed on weighted rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from mlbridge.catalogue.metrics import metrics_for
from mlbridge.evaluation import classification, regression
from mlbridge.evaluation.sample import Sample, Weighted

_VALUES: Final[dict[str, Callable[[Weighted], float]]] = {**classification.VALUES, **regression.VALUES}


def metric_value(weighted: Weighted, metric: str) -> float:
    """Compute one metric; NaN where it is not defined."""
    return float(_VALUES[metric](weighted)) if weighted.total > 0 else float("nan")


def measure(sample: Sample, weights: npt.ArrayLike | None = None) -> dict[str, float | None]:
    """Return every metric of the sample's task by name; None where it is not defined. `weights` has shape (n,)."""
    weighted = Weighted(sample, weights)
    return {name: json_number(metric_value(weighted, name)) for name in metrics_for(sample.task)}


def naive(sample: Sample) -> dict[str, float | None]:
    """Return each metric's value without skill on the rows of a sample; None where it is not defined.

    It is the value of the best constant for the metric: the rows' class shares, mean or median; for the median absolute
    error the middle of the shortest half (Rousseeuw, J. Am. Stat. Assoc. 79, 1984). For recall, which a constant can
    make 1, it is that of as many rows as the model predicts positive, chosen at random. With many classes it is the
    mean over the classes that occur or are predicted. The macro `class_metrics` has the same rules for scored windows.
    """
    found = (regression if sample.task == "regression" else classification).naive(sample)
    return {metric: json_number(figure) for metric, figure in found.items()}


def json_number(number: float) -> float | None:
    """Turn NaN and infinity, which JSON does not know, into None."""
    return float(number) if np.isfinite(number) else None
