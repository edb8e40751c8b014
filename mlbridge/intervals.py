"""The interval of a metric, made from its influence values by block in a form that holds its level at few rows.

- Metrics between 0 and 1 have Wilson's score interval (1927), for as many independent rows as have the same standard
  error (Korn and Graubard 1998); F1 by way of the share of rows predicted and true among those that are either.
- Losses without an upper bound have a t interval of their logarithm, r2 that of 1 - r2.
- The median absolute error has that of Woodruff (1952): the interval of the share below it, read back as quantiles.

Student's t takes the place of the normal quantile, with one degree of freedom less than there are blocks.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mlbridge.blocks import Blocks
from mlbridge.influence import influence
from mlbridge.sample import Floats, Sample

CONFIDENCE: Final = 0.95
SHARES: Final = ("average_precision", "roc_auc", "accuracy", "precision", "recall", "f1")
"""The metrics that lie between 0 and 1 because they are shares of rows, or means of such."""


class Spread(NamedTuple):
    """How far chance moves a metric: its standard error, the degrees of freedom of that, and the design effect."""

    error: float
    freedom: int
    design_effect: float


def spread(sample: Sample, metric: str, blocks: Blocks, design_effect: float | None = None) -> Spread:
    """Give the standard error of a metric; `design_effect` is taken where too few blocks tell one of their own.

    Without it few blocks speak for themselves, with as few degrees of freedom; of a single one nothing can be said, and
    there are none. The error by block is never taken for less than that of independent rows: with few blocks it can be
    so by chance.
    """
    values = influence(sample, metric)
    known = blocks.too_few and design_effect is not None
    if not known and blocks.count < 2:
        return Spread(math.inf, 0, 1.0)
    seen = Blocks.rows(len(sample)) if known else blocks
    effect = max(1.0, design_effect or 1.0) if known else blocks.design_effect(values)
    freedom = max(1, min(seen.met(mask) for mask in rests_on(sample, metric)) - 1)
    return Spread(standard_error(values, freedom, effect), freedom, effect)


def standard_error(values: Floats, freedom: int, design_effect: float) -> float:
    """Give the standard error of what has these influence values, from that of independent rows."""
    return math.sqrt(float((values**2).sum()) * (freedom + 1) / freedom * design_effect) / len(values)


def interval(
    sample: Sample, metric: str, value: float, found: Spread, confidence: float = CONFIDENCE
) -> tuple[float | None, float | None]:
    """Give the interval of a metric's value, of which `found` is the spread; None where none can be stated.

    That is the case of fewer than two rows or blocks, and of a loss of exactly 0.
    """
    if len(sample) < 2 or found.freedom < 1:
        return None, None
    quantile = student(found.freedom, confidence)
    if metric in SHARES:
        return _share(sample, metric, value, found, quantile)
    if metric == "median_absolute_error":
        return _median(sample, found, quantile)
    return _loss(metric, value, found, quantile)


def student(freedom: int, confidence: float) -> float:
    """Give the quantile of Student's t that leaves half of 1 - confidence above it."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + confidence) / 2))


def wilson(share: float, rows: float, quantile: float) -> tuple[float, float]:
    """Give Wilson's score interval of a share of so many independent rows."""
    square = quantile**2 / rows
    middle = (share + square / 2) / (1 + square)
    reach = quantile / (1 + square) * math.sqrt(share * (1 - share) / rows + square / (4 * rows))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def rests_on(sample: Sample, metric: str) -> list[npt.NDArray[np.bool_]]:
    """Give the sets of rows each of which a metric must have to be known; the smallest limits how well it is."""
    every = np.ones(len(sample), dtype=bool)
    if not sample.binary:
        return [every]
    true, predicted = sample.truth == 1, sample.predicted == 1
    return {
        "average_precision": [true, ~true],
        "roc_auc": [true, ~true],
        "recall": [true],
        "precision": [predicted],
        "f1": [true | predicted],
    }.get(metric, [every])


def _share(
    sample: Sample, metric: str, value: float, found: Spread, quantile: float
) -> tuple[float | None, float | None]:
    error, share = found.error, value
    if metric == "f1":
        share, error = value / (2 - value), error * 2 / (2 - value) ** 2
    if 0 < share < 1 and error > 0:
        rows = share * (1 - share) / error**2
    else:
        rows = min(mask.sum() for mask in rests_on(sample, metric)) / found.design_effect
        if rows == 0:
            return None, None
    low, high = wilson(share, rows, quantile)
    return (2 * low / (1 + low), 2 * high / (1 + high)) if metric == "f1" else (low, high)


def _median(sample: Sample, found: Spread, quantile: float) -> tuple[float, float]:
    low, high = np.quantile(
        np.abs(sample.errors), wilson(0.5, len(sample) / found.design_effect, quantile), method="linear"
    )
    return float(low), float(high)


def _loss(metric: str, value: float, found: Spread, quantile: float) -> tuple[float | None, float | None]:
    loss = 1 - value if metric == "r2" else value
    if loss <= 0 or found.error == 0:
        return None, None
    factor = math.exp(min(quantile * found.error / loss, 700.0))
    low, high = loss / factor, loss * factor
    return (1 - high, 1 - low) if metric == "r2" else (low, high)
