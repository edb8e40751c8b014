"""Calibration slope and intercept: a regression of the outcomes on the predictions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlbridge.evaluation.sample import Sample
from mlbridge.typing import Floats

_Z: Final = 1.959963984540054  # of the two-sided 95 % interval of a normal distribution
_STEPS: Final = 50
_STEEPEST: Final = 50.0
"""A larger slope means that the scores separate the outcomes perfectly; it has no finite estimate."""

Estimate = tuple[float, float, float]
"""A value with the lower and the upper end of its 95 % interval."""


@dataclass(frozen=True)
class Recalibration:
    """Calibration slope (1 if calibrated) and intercept (0 if calibrated); None where the rows give no estimate.

    A slope below 1 means that the predictions are too extreme, above 1 that they are too cautious. The intercept is
    estimated with the slope fixed at 1 (calibration in the large): in log odds, or for a regression in the unit of the
    target.
    """

    slope: Estimate | None
    intercept: Estimate | None


def recalibration(sample: Sample, design_effect: float = 1.0) -> Recalibration:
    """Recalibrate predictions on rows that the fit never saw.

    Two classes: outcomes on the logit of the positive's probability by logistic regression (Cox, Two Further
    Applications of a Model for Binary Regression, Biometrika 45, 1958; Miller, Hui and Tierney, Validation Techniques
    for Logistic Regression Models, Statistics in Medicine 10, 1991). Many classes: whether the predicted class is the
    true one, on the logit of its probability. Regression: the truth on the prediction by least squares, with
    standard errors for unequal variances (White 1980). `design_effect` is the ratio of the variance with
    dependent rows to that of independent ones.
    """
    half_width_factor = math.sqrt(max(design_effect, 1.0)) * _Z
    if sample.task == "regression":
        return _of_regression(sample, half_width_factor)
    truth, probability = sample.truth.astype(np.float64), sample.scores[:, -1]
    if not sample.binary:
        truth = (sample.predicted == sample.truth).astype(np.float64)
        probability = sample.scores.max(axis=1)
    if len(truth) == 0 or truth.min() == truth.max():
        return Recalibration(None, None)
    # With n rows, a probability below 0.5 / n cannot be distinguished from zero.
    edge = 0.5 / max(len(truth), 2)
    probability = np.clip(probability, edge, 1 - edge)
    logit = np.log(probability / (1 - probability))
    ones = np.ones((len(truth), 1))
    level = _logistic(ones, truth, logit)
    slope = None
    if logit.min() < logit.max():
        slope = _logistic(np.column_stack([logit, ones]), truth, np.zeros(len(truth)))
    return Recalibration(*(None if each is None else _interval(*each, half_width_factor) for each in (slope, level)))


def _logistic(design: Floats, truth: Floats, offset: Floats) -> tuple[float, float] | None:
    """Fit a logistic regression by Newton's method; returns the first coefficient and its standard error, or None."""
    found = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        expected = 1 / (1 + np.exp(-np.clip(offset + design @ found, -500, 500)))
        information = design.T @ (design * (expected * (1 - expected))[:, None])
        if np.linalg.cond(information) > 1e14:
            return None
        covariance = np.linalg.inv(information)
        step = covariance @ (design.T @ (truth - expected))
        # Far from the maximum Newton's method overshoots, so no coefficient changes by more than 1 in a step.
        found = found + step / max(1.0, float(np.abs(step).max()))
        if abs(found[0]) > _STEEPEST:
            return None
        if np.abs(step).max() < 1e-10:
            return float(found[0]), math.sqrt(covariance[0, 0])
    return None


def _of_regression(sample: Sample, half_width_factor: float) -> Recalibration:
    """Estimate the slope by least squares, and the intercept as the mean error; neither with fewer than three rows."""
    n = len(sample)
    if n < 3:
        return Recalibration(None, None)
    errors = sample.errors
    intercept = _interval(float(errors.mean()), float(errors.std(ddof=1)) / math.sqrt(n), half_width_factor)
    away = sample.scores - sample.scores.mean()
    sum_of_squares = float((away**2).sum())
    if sample.scores.min() == sample.scores.max() or sum_of_squares == 0:
        return Recalibration(None, intercept)
    slope = float((away * sample.truth).sum()) / sum_of_squares
    left = sample.truth - sample.truth.mean() - slope * away
    error = math.sqrt(float((away**2 * left**2).sum()) * n / (n - 2)) / sum_of_squares
    return Recalibration(_interval(slope, error, half_width_factor), intercept)


def _interval(value: float, error: float, half_width_factor: float) -> Estimate:
    return value, value - half_width_factor * error, value + half_width_factor * error
