"""The metrics of a regression: their values, influence values per row, and values without skill."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from mlbridge.evaluation.sample import Sample, Weighted, centred
from mlbridge.typing import Floats


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
    used = truth[weighted.weights > 0]
    variance = weighted.mean((truth - weighted.mean(truth)) ** 2)
    # The computed mean of equal numbers can differ from them in the last bit, so their variance may not be exactly
    # zero.
    if variance == 0 or used.min() == used.max():
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


def _squared_error(weighted: Weighted) -> tuple[Floats, float]:
    squares = weighted.sample.errors**2
    return squares, float(squares.mean())


def _rmse_influence(weighted: Weighted) -> Floats:
    squares, mean = _squared_error(weighted)
    return (squares - mean) / (2 * np.sqrt(mean)) if mean > 0 else np.zeros(len(weighted.sample))


def _r2_influence(weighted: Weighted) -> Floats:
    squares, mean = _squared_error(weighted)
    deviations = centred(weighted.sample.truth) ** 2
    variance = deviations.mean()
    if variance == 0:
        return np.zeros(len(weighted.sample))
    return np.asarray(-(squares - mean) / variance + mean / variance**2 * (deviations - variance))


def _median_absolute_error_influence(weighted: Weighted) -> Floats:
    """Divide the distance of each row from the middle rank by the density at the median.

    The density is that between the quantiles one standard deviation of the middle rank away (Siddiqui 1960; Bloch and
    Gastwirth 1968).
    """
    absolute = np.abs(weighted.sample.errors)
    middle = float(np.median(absolute))
    reach = min(0.5, 0.5 / np.sqrt(len(absolute)) * 1.96)
    low, high = np.quantile(absolute, [0.5 - reach, 0.5 + reach])
    side = np.sign(absolute - middle) / 2
    return np.asarray((side - side.mean()) * (high - low) / (2 * reach))


VALUES: Final[dict[str, Callable[[Weighted], float]]] = {
    "rmse": _rmse,
    "mae": _mae,
    "r2": _r2,
    "median_absolute_error": _median_absolute_error,
}
INFLUENCES: Final[dict[str, Callable[[Weighted], Floats]]] = {
    "rmse": _rmse_influence,
    "mae": lambda weighted: centred(np.abs(weighted.sample.errors)),
    "r2": _r2_influence,
    "median_absolute_error": _median_absolute_error_influence,
}


def naive(sample: Sample) -> dict[str, float]:
    """Return each metric's value without skill on the rows of a sample; NaN where it is not defined."""
    truth = np.sort(sample.truth)
    half = len(truth) // 2
    widths = truth[half:] - truth[: len(truth) - half]
    constant_values = {
        "rmse": float(np.std(truth)),
        "mae": float(np.abs(truth - np.median(truth)).mean()),
        "median_absolute_error": float(widths.min() / 2),
    }
    known = {metric: figure if figure > 0 else float("nan") for metric, figure in constant_values.items()}
    return {**known, "r2": 0.0 if truth[-1] > truth[0] else float("nan")}
