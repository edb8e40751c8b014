"""The metrics of a classification: their values, influence values per row, and values without skill."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from mlbridge.evaluation.sample import Curve, Ranking, Sample, Weighted, centred, dot
from mlbridge.typing import Floats


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
    """Correct / predicted (`sklearn.metrics.precision_score`, for many classes macro average); none predicted: 0."""
    right, predicted, _ = weighted.counts
    return _macro(right, predicted, 0.0)


def _recall(weighted: Weighted) -> float:
    """Correct / actual (`sklearn.metrics.recall_score`, for many classes macro average); no positive of two: NaN."""
    right, _, true = weighted.counts
    return _macro(right, true, float("nan") if weighted.sample.binary else 0.0)


def _f1(weighted: Weighted) -> float:
    """2 correct / (predicted + actual) (`sklearn.metrics.f1_score`, for many classes macro average); 0/0 is NaN."""
    right, predicted, true = weighted.counts
    return _macro(2 * right, predicted + true, float("nan"))


def _log_loss(weighted: Weighted) -> float:
    """Mean of -ln of the true class' probability (`sklearn.metrics.log_loss`)."""
    return weighted.mean(weighted.sample.log_losses)


def _brier(weighted: Weighted) -> float:
    """Mean squared error of the probabilities (`sklearn.metrics.brier_score_loss`)."""
    return weighted.mean(weighted.sample.brier_losses)


def _mean_over_classes(weighted: Weighted, of: Callable[[Ranking], Floats | None]) -> Floats:
    """Average over the classes for which the curve is defined, as the metric does."""
    defined = [found for found in map(of, weighted.sample.rankings) if found is not None]
    return np.mean(defined, axis=0) if defined else np.zeros(len(weighted.sample))


def _average_precision_influence(weighted: Weighted) -> Floats:
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


def _roc_auc_influence(weighted: Weighted) -> Floats:
    """Return the placement values less their mean (DeLong, DeLong and Clarke-Pearson 1988)."""
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
    """Return the influence values of a macro-averaged ratio; `part` gives each row's numerator and denominator."""
    sample = weighted.sample
    classes = (1,) if sample.binary else range(sample.scores.shape[1])
    found, counted = np.zeros(len(weighted.sample)), 0
    for code in classes:
        true, predicted = ((each == code).astype(np.float64) for each in (sample.truth, sample.predicted))
        if not sample.binary and not true.any() and not predicted.any():
            continue
        counted += 1
        above, below = part(true, predicted)
        if below.sum() > 0:
            found += len(sample) / below.sum() * (above - above.sum() / below.sum() * below)
    return found / max(counted, 1)


VALUES: Final[dict[str, Callable[[Weighted], float]]] = {
    "average_precision": _average_precision,
    "roc_auc": _roc_auc,
    "log_loss": _log_loss,
    "brier": _brier,
    "accuracy": _accuracy,
    "precision": _precision,
    "recall": _recall,
    "f1": _f1,
}
INFLUENCES: Final[dict[str, Callable[[Weighted], Floats]]] = {
    "average_precision": _average_precision_influence,
    "roc_auc": _roc_auc_influence,
    "log_loss": lambda weighted: centred(weighted.sample.log_losses),
    "brier": lambda weighted: centred(weighted.sample.brier_losses),
    "accuracy": lambda weighted: centred((weighted.sample.truth == weighted.sample.predicted).astype(np.float64)),
    "precision": lambda weighted: _ratio(weighted, lambda true, predicted: (true * predicted, predicted)),
    "recall": lambda weighted: _ratio(weighted, lambda true, predicted: (true * predicted, true)),
    "f1": lambda weighted: _ratio(weighted, lambda true, predicted: (2 * true * predicted, true + predicted)),
}


def naive(sample: Sample) -> dict[str, float]:
    """Return each metric's value without skill on the rows of a sample; NaN where it is not defined."""
    classes = sample.scores.shape[1]
    shares = np.bincount(sample.truth, minlength=classes) / len(sample)
    flagged = np.bincount(sample.predicted, minlength=classes) / len(sample)
    known = shares[shares > 0]
    counted = np.array([False, True]) if sample.binary else shares + flagged > 0
    gini = 1 - float((shares**2).sum())
    greatest = float(shares[1] if sample.binary else shares.max())
    return {
        "average_precision": float(shares[counted].mean()),
        "roc_auc": 0.5,
        "log_loss": -float((known * np.log(known)).sum()) + 0.0,
        "brier": gini / 2 if sample.binary else gini,
        "accuracy": float(shares.max()),
        "precision": float(shares[counted].mean()),
        "recall": float(flagged[counted].mean()),
        "f1": 2 * greatest / (1 + greatest) / int(counted.sum()),
    }
