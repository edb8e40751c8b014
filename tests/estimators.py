"""Candidates that behave, and candidates that do not; in a module of their own, so that a later build finds them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Steady(ClassifierMixin, BaseEstimator):
    """Learns the classes only; believes in the second the more, the greater `x` is, seen through `steps` steps."""

    def __init__(self, steps: int = 1000) -> None:
        self.steps = steps

    def fit(self, features: Any, target: Any) -> Steady:
        self.classes_ = np.unique(target)
        return self

    def predict_proba(self, features: Any) -> Any:
        second = 1 / (1 + np.exp(-3 * features["x"].to_numpy(dtype=float)))
        second = np.round(second * self.steps) / self.steps
        return np.column_stack([1 - second, second])


class Turned(Steady):
    """Believes in the first class where the second is likely."""

    def predict_proba(self, features: Any) -> Any:
        return super().predict_proba(features)[:, ::-1]


class Tripwire(Steady):
    """Tells that a fit has begun, where an error should have come before."""

    def fit(self, features: Any, target: Any) -> Steady:
        raise RuntimeError("a fit has begun")


class GivesNan(Steady):
    """Scores nothing."""

    def predict_proba(self, features: Any) -> Any:
        return super().predict_proba(features) * np.nan


class FailsToScore(Steady):
    """Fits, and then fails."""

    def predict_proba(self, features: Any) -> Any:
        raise RuntimeError("out of ink")


class OneColumn(Steady):
    """Forgets the first class."""

    def predict_proba(self, features: Any) -> Any:
        return super().predict_proba(features)[:, 1:]


class NoScores(ClassifierMixin, BaseEstimator):
    """Predicts classes only."""

    def fit(self, features: Any, target: Any) -> NoScores:
        return self

    def predict(self, features: Any) -> Any:
        return np.zeros(len(features))


class NoEstimator:
    """Has the method, but not what scikit-learn asks of an estimator."""

    def fit(self, features: Any, target: Any) -> NoEstimator:
        return self
