"""Whether predictions mean what they say: the slope and the intercept of what came on what was predicted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlbridge.sample import Floats, Sample

_Z: Final = 1.959963984540054  # of the two-sided 95 % interval of a normal distribution
_STEPS: Final = 50
_STEEPEST: Final = 50.0
"""A slope beyond this is that of outcomes which the scores part without an error; it has no finite estimate."""

Estimate = tuple[float, float, float]
"""A value with the lower and the upper end of its 95 % interval."""


@dataclass(frozen=True)
class Recalibration:
    """`slope` is 1 and `intercept` 0 where predictions mean what they say; None where the rows do not tell.

    A slope below 1 says that the predictions are too extreme, above 1 that they are too cautious. The intercept is
    what lacks on average with the slope held at 1: in the logarithm of the odds, or in the unit of the target.
    """

    slope: Estimate | None
    intercept: Estimate | None


def recalibration(sample: Sample, design_effect: float = 1.0) -> Recalibration:
    """Recalibrate predictions on rows that the fit never saw.

    Two classes: outcomes on the logit of the positive's probability by logistic regression (Cox, Two Further
    Applications of a Model for Binary Regression, Biometrika 45, 1958; Miller, Hui and Tierney, Validation Techniques
    for Logistic Regression Models, Statistics in Medicine 10, 1991). Many classes: whether the predicted class is the
    true one, on the logit of its probability. Regression: the truth on the prediction by least squares, with
    standard errors for unequal variances (White 1980). `design_effect` is by how much rows that belong together make
    the variance greater than that of independent ones.
    """
    wider = math.sqrt(max(design_effect, 1.0)) * _Z
    if sample.task == "regression":
        return _of_numbers(sample, wider)
    truth, chance = sample.truth.astype(np.float64), sample.scores[:, -1]
    if not sample.binary:
        truth = (sample.predicted == sample.truth).astype(np.float64)
        chance = sample.scores.max(axis=1)
    if len(truth) == 0 or truth.min() == truth.max():
        return Recalibration(None, None)
    # With n rows, a probability below half a row cannot be told from zero.
    edge = 0.5 / max(len(truth), 2)
    chance = np.clip(chance, edge, 1 - edge)
    logit = np.log(chance / (1 - chance))
    ones = np.ones((len(truth), 1))
    level = _logistic(ones, truth, logit)
    slope = None
    if logit.min() < logit.max():
        slope = _logistic(np.column_stack([logit, ones]), truth, np.zeros(len(truth)))
    return Recalibration(*(None if each is None else _interval(*each, wider) for each in (slope, level)))


def _logistic(design: Floats, truth: Floats, offset: Floats) -> tuple[float, float] | None:
    """Fit a logistic regression by Newton's method; gives the first coefficient and its standard error, or None."""
    found = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        expected = 1 / (1 + np.exp(-np.clip(offset + design @ found, -500, 500)))
        information = design.T @ (design * (expected * (1 - expected))[:, None])
        if np.linalg.cond(information) > 1e14:
            return None
        covariance = np.linalg.inv(information)
        step = covariance @ (design.T @ (truth - expected))
        # Far from the maximum the curve is flatter than it seems: no step goes farther than that of one unit.
        found = found + step / max(1.0, float(np.abs(step).max()))
        if abs(found[0]) > _STEEPEST:
            return None
        if np.abs(step).max() < 1e-10:
            return float(found[0]), math.sqrt(covariance[0, 0])
    return None


def _of_numbers(sample: Sample, wider: float) -> Recalibration:
    """The slope by least squares, the intercept as the mean error; of fewer than three rows neither."""
    n = len(sample)
    if n < 3:
        return Recalibration(None, None)
    errors = sample.errors
    intercept = _interval(float(errors.mean()), float(errors.std(ddof=1)) / math.sqrt(n), wider)
    away = sample.scores - sample.scores.mean()
    spread = float((away**2).sum())
    if sample.scores.min() == sample.scores.max() or spread == 0:
        return Recalibration(None, intercept)
    slope = float((away * sample.truth).sum()) / spread
    left = sample.truth - sample.truth.mean() - slope * away
    error = math.sqrt(float((away**2 * left**2).sum()) * n / (n - 2)) / spread
    return Recalibration(_interval(slope, error, wider), intercept)


def _interval(value: float, error: float, wider: float) -> Estimate:
    return value, value - wider * error, value + wider * error
