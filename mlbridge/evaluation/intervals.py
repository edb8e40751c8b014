"""The interval of a metric, made from its influence values by block in a form that holds its level at few rows.

- Metrics between 0 and 1 have Wilson's score interval (1927), for as many independent rows as have the same standard
  error (Korn and Graubard 1998). F1 is transformed to the Jaccard index F1 / (2 - F1), which is a share. The lower end
  for average precision starts from the value minus its `optimism`.
- Losses without an upper bound have a t interval of their logarithm, r2 that of 1 - r2. Where their influence values
  are skewed, as heavy tails and rare classes make them, the end on that side is that of Hall's transformation of t
  (1992) if it lies farther away.
- The median absolute error has that of Woodruff (1952): the interval of the share below it, read back as quantiles.

Student's t takes the place of the normal quantile, with one degree of freedom less than there are blocks.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from mlbridge.catalogue.metrics import METRICS
from mlbridge.evaluation.blocks import Blocks
from mlbridge.evaluation.influence import influence
from mlbridge.evaluation.sample import Sample
from mlbridge.typing import Flags, Floats

CONFIDENCE: Final = 0.95


class SamplingError(NamedTuple):
    """The sampling error of a metric.

    `error` is its standard error in the metric's unit, `dof` the degrees of freedom, `design_effect` the variance by
    block over the variance of independent rows. `skewness` is that of the sum of the influence values over blocks,
    between -1 and 1.
    """

    error: float
    dof: int
    design_effect: float
    skewness: float = 0.0


def sampling_error(sample: Sample, metric: str, blocks: Blocks, design_effect: float | None = None) -> SamplingError:
    """Return the sampling error of a metric, computed from its influence values by block.

    If there are too few blocks, the error of independent rows is multiplied by the square root of `design_effect`,
    which the caller took from other rows. Without `design_effect`, the few blocks are used, with few degrees of
    freedom; with a single block the error is infinite and there are 0 degrees of freedom. The error by block is never
    smaller than that of independent rows, which with few blocks could happen by chance.
    """
    values = influence(sample, metric)
    known = blocks.too_few and design_effect is not None
    if not known and blocks.count < 2:
        return SamplingError(math.inf, 0, 1.0)
    seen = Blocks.rows(len(sample)) if known else blocks
    effect = max(1.0, design_effect or 1.0) if known else blocks.design_effect(values)
    dof = max(1, min(seen.count_where(mask) for mask in determining_rows(sample, metric)) - 1)
    skewed = skewness(seen.sums(values)) * (math.sqrt(effect) if known else 1.0)
    return SamplingError(standard_error(values, dof, effect), dof, effect, min(1.0, max(-1.0, skewed)))


def standard_error(values: Floats, dof: int, design_effect: float) -> float:
    """Return the standard error of a figure with these influence values.

    It is that of independent rows, corrected for the degrees of freedom, times the root of the design effect.
    """
    return math.sqrt(float((values**2).sum()) * (dof + 1) / dof * design_effect) / len(values)


def skewness(parts: Floats) -> float:
    """Return the skewness of a sum of independent parts that sum to zero; 0 where all are zero or fewer than three.

    It is that of the parts, made larger for how few they are (G1 of Joanes and Gill 1998), over the root of their
    number.
    """
    count, square = len(parts), float((parts**2).sum())
    if count < 3 or square == 0:
        return 0.0
    return float((parts**3).sum()) / math.sqrt(square) ** 3 * math.sqrt(count * (count - 1)) / (count - 2)


def optimism(sample: Sample) -> float:
    """Return how much average precision is too high because each positive counts itself in its own precision.

    Another row at the same rank would be positive with a probability of about the average precision. For many classes,
    the mean over the classes.
    """
    found = []
    for ranking in sample.rankings:
        positives = ranking.positive.sum()
        if positives > 0:
            above, counted = np.cumsum(ranking.positive)[ranking.ends], ranking.ends + 1.0
            at_rank = np.diff(above, prepend=0.0) / positives
            found.append((1 - (at_rank * above / counted).sum()) * (at_rank / counted).sum())
    return float(np.mean(found)) if found else 0.0


def interval(
    sample: Sample, metric: str, value: float, found: SamplingError, confidence: float = CONFIDENCE
) -> tuple[float | None, float | None]:
    """Return the interval of a metric's value with the sampling error `found`.

    Both ends are None with fewer than two rows or blocks, and for a loss of exactly 0.
    """
    if len(sample) < 2 or found.dof < 1:
        return None, None
    quantile = t_quantile(found.dof, confidence)
    if METRICS[metric].is_share:
        return _share(sample, metric, value, found, quantile)
    if metric == "median_absolute_error":
        return _median(sample, found, quantile)
    return _loss(metric, value, found, quantile)


def t_quantile(dof: float, confidence: float) -> float:
    """Return the quantile of Student's t that leaves half of 1 - confidence above it."""
    from scipy.special import stdtrit

    return float(stdtrit(dof, (1 + confidence) / 2))


def wilson(share: float, rows: float, quantile: float) -> tuple[float, float]:
    """Return Wilson's score interval of a share of so many independent rows."""
    square = quantile**2 / rows
    middle = (share + square / 2) / (1 + square)
    half_width = quantile / (1 + square) * math.sqrt(share * (1 - share) / rows + square / (4 * rows))
    return max(0.0, middle - half_width), min(1.0, middle + half_width)


def determining_rows(sample: Sample, metric: str) -> list[Flags]:
    """Return the sets of rows (masks) that determine a metric, such as the positives for recall.

    The smallest set limits the degrees of freedom and the number of rows behind the interval.
    """
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
    sample: Sample, metric: str, value: float, found: SamplingError, quantile: float
) -> tuple[float | None, float | None]:
    error, share = found.error, value
    if metric == "f1":
        share, error = value / (2 - value), error * 2 / (2 - value) ** 2
    if 0 < share < 1 and error > 0:
        rows = share * (1 - share) / error**2
    else:
        rows = min(mask.sum() for mask in determining_rows(sample, metric)) / found.design_effect
        if rows == 0:
            return None, None
    low, high = wilson(share, rows, quantile)
    if metric == "average_precision":
        low, _ = wilson(max(0.0, share - optimism(sample)), rows, quantile)
    return (2 * low / (1 + low), 2 * high / (1 + high)) if metric == "f1" else (low, high)


def _median(sample: Sample, found: SamplingError, quantile: float) -> tuple[float, float]:
    low, high = np.quantile(
        np.abs(sample.errors), wilson(0.5, len(sample) / found.design_effect, quantile), method="linear"
    )
    return float(low), float(high)


def _loss(metric: str, value: float, found: SamplingError, quantile: float) -> tuple[float | None, float | None]:
    """Return the interval of an unbounded loss, or of r2 through 1 - r2.

    It is the t interval of the logarithm. On the side of the skewness, the end from Hall's transformation is taken if
    it is farther away. For rmse, Hall's transformation is applied to the mean squared error.
    """
    loss, skewed = (1 - value, -found.skewness) if metric == "r2" else (value, found.skewness)
    if loss <= 0 or found.error == 0:
        return None, None
    factor = math.exp(min(quantile * found.error / loss, 700.0))
    low, high = loss / factor, loss * factor
    power = 2 if metric == "rmse" else 1
    reach = hall(quantile, abs(skewed)) * power * found.error / loss
    if skewed > 0:
        high = max(high, loss * (1 + reach) ** (1 / power))
    elif reach < 1:
        low = min(low, loss * (1 - reach) ** (1 / power))
    return (1 - high, 1 - low) if metric == "r2" else (low, high)


def hall(quantile: float, skewed: float) -> float:
    """Return how many standard errors a mean may lie below its expectation, by the inverse of Hall's transformation.

    Hall, On the removal of skewness by transformation, 1992: of a t statistic and the skewness s of its mean,
    t + s t^2 / 3 + s^2 t^3 / 27 + s / 6 is less skewed. `skewed` is at least 0; for 0 the result is `quantile`.
    """
    if skewed < 1e-6:
        return quantile
    return 3 * (1 - float(np.cbrt(1 - skewed * (quantile + skewed / 6)))) / skewed
