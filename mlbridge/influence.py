"""How much each row moves a metric: its influence values, from which every standard error is made.

The influence value of row k is the derivative of the metric by the weight of the row, times the number of rows
(Hampel, The influence curve and its role in robust estimation, 1974; with weights that begin at one it is the
infinitesimal jackknife of Jaeckel, 1972). They sum to zero, and the metric differs from the one that it estimates by
about their mean. Added up within blocks of rows that belong together they give a standard error that holds when rows
are not independent of each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from mlbridge.sample import Floats, Ranking, Sample, Weighted

_Influence = Callable[[Weighted], Floats]


def influence(sample: Sample, metric: str) -> Floats:
    """Give the influence value of each row on a metric of the sample's task; zeros where the metric is not defined."""
    return _INFLUENCES[metric](Weighted(sample))


def _nothing(weighted: Weighted) -> Floats:
    return np.zeros(len(weighted.sample))


def _mean(per_row: Floats) -> Floats:
    return np.asarray(per_row - per_row.mean())


def _mean_over_classes(weighted: Weighted, of: Callable[[Ranking], Floats | None]) -> Floats:
    """Average over the classes for which the curve is defined, as the metric does."""
    defined = [found for found in map(of, weighted.sample.rankings) if found is not None]
    return np.mean(defined, axis=0) if defined else _nothing(weighted)


def _average_precision(weighted: Weighted) -> Floats:
    """Differentiate the sum of y TP / N over the rows, divided by the number of positives.

    TP and N count the positives and the rows that score at least as high.
    """
    rows = len(weighted.sample)

    def of(ranking: Ranking) -> Floats | None:
        positives = ranking.positive.sum()
        if positives == 0:
            return None
        group = np.searchsorted(ranking.ends, np.arange(rows))
        above = np.cumsum(ranking.positive)[ranking.ends][group]
        counted = (ranking.ends + 1.0)[group]
        precision = above / counted
        value = (ranking.positive * precision).sum() / positives
        # What a row adds to, and takes from, the precision of every positive that scores no higher.
        starts = np.append(0, ranking.ends[:-1] + 1)[group]
        gained = np.append(np.cumsum((ranking.positive / counted)[::-1])[::-1], 0.0)[starts]
        lost = np.append(np.cumsum((ranking.positive * above / counted**2)[::-1])[::-1], 0.0)[starts]
        found = np.empty(rows)
        found[ranking.order] = rows / positives * (ranking.positive * (precision + gained - value) - lost)
        return found

    return _mean_over_classes(weighted, of)


def _roc_auc(weighted: Weighted) -> Floats:
    """Give the placement values less their mean (DeLong, DeLong and Clarke-Pearson 1988)."""
    rows = len(weighted.sample)

    def of(ranking: Ranking) -> Floats | None:
        positives = ranking.positive.sum()
        negatives = rows - positives
        if positives == 0 or negatives == 0:
            return None
        group = np.searchsorted(ranking.ends, np.arange(rows))
        above = np.cumsum(ranking.positive)[ranking.ends]
        counted = ranking.ends + 1.0
        tied = np.diff(above, prepend=0.0), np.diff(counted, prepend=0.0)
        # Shares of the positives above a row, and of the negatives below it; ties count half.
        over = (above - tied[0] / 2) / positives
        under = 1 - ((counted - above) - (tied[1] - tied[0]) / 2) / negatives
        value = (ranking.positive * under[group]).sum() / positives
        of_positive = ranking.positive * rows / positives * (under[group] - value)
        of_negative = (1 - ranking.positive) * rows / negatives * (over[group] - value)
        found = np.empty(rows)
        found[ranking.order] = of_positive + of_negative
        return found

    return _mean_over_classes(weighted, of)


def _ratio(weighted: Weighted, part: Callable[[Floats, Floats], tuple[Floats, Floats]]) -> Floats:
    """Differentiate a mean over classes of sums of `part`: numerator and denominator of each row for one class."""
    sample = weighted.sample
    classes = (1,) if sample.binary else range(sample.scores.shape[1])
    found, counted = _nothing(weighted), 0
    for code in classes:
        true, predicted = ((each == code).astype(np.float64) for each in (sample.truth, sample.predicted))
        if not sample.binary and not true.any() and not predicted.any():
            continue
        counted += 1
        above, below = part(true, predicted)
        if below.sum() > 0:
            found += len(sample) / below.sum() * (above - above.sum() / below.sum() * below)
    return found / max(counted, 1)


def _squared_error(weighted: Weighted) -> tuple[Floats, float]:
    squares = weighted.sample.errors**2
    return squares, float(squares.mean())


def _rmse(weighted: Weighted) -> Floats:
    squares, mean = _squared_error(weighted)
    return (squares - mean) / (2 * np.sqrt(mean)) if mean > 0 else _nothing(weighted)


def _r2(weighted: Weighted) -> Floats:
    squares, mean = _squared_error(weighted)
    deviations = _mean(weighted.sample.truth) ** 2
    variance = deviations.mean()
    if variance == 0:
        return _nothing(weighted)
    return np.asarray(-(squares - mean) / variance + mean / variance**2 * (deviations - variance))


def _median_absolute_error(weighted: Weighted) -> Floats:
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


_INFLUENCES: Final[dict[str, _Influence]] = {
    "average_precision": _average_precision,
    "roc_auc": _roc_auc,
    "log_loss": lambda weighted: _mean(weighted.sample.log_losses),
    "brier": lambda weighted: _mean(weighted.sample.brier_losses),
    "accuracy": lambda weighted: _mean((weighted.sample.truth == weighted.sample.predicted).astype(np.float64)),
    "precision": lambda weighted: _ratio(weighted, lambda true, predicted: (true * predicted, predicted)),
    "recall": lambda weighted: _ratio(weighted, lambda true, predicted: (true * predicted, true)),
    "f1": lambda weighted: _ratio(weighted, lambda true, predicted: (2 * true * predicted, true + predicted)),
    "rmse": _rmse,
    "mae": lambda weighted: _mean(np.abs(weighted.sample.errors)),
    "r2": _r2,
    "median_absolute_error": _median_absolute_error,
}
