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


class Squared(Steady):
    """Believes in the second class the more, the greater the square of `n`; in the type that it is given."""

    def predict_proba(self, features: Any) -> Any:
        second = np.clip(np.square(features["n"].to_numpy()) / 10_000, 0, 1)
        return np.column_stack([1 - second, second])


class Coded(Steady):
    """Looks at the codes of a category, not at its texts: the share of the second class among the rows of a code."""

    def fit(self, features: Any, target: Any) -> Coded:
        super().fit(features, target)
        codes = features["text"].cat.codes.to_numpy()
        self.shares_ = np.array([np.mean(np.asarray(target)[codes == code]) for code in range(codes.max() + 1)])
        return self

    def predict_proba(self, features: Any) -> Any:
        codes = features["text"].cat.codes.to_numpy()
        second = np.where((codes >= 0) & (codes < len(self.shares_)), self.shares_.take(codes, mode="clip"), 0.5)
        return np.column_stack([1 - second, second])


class Noisy(Steady):
    """Draws a little at random in each prediction."""

    def predict_proba(self, features: Any) -> Any:
        second = super().predict_proba(features)[:, 1] * (1 - 1e-6 * np.random.default_rng().random(len(features)))
        return np.column_stack([1 - second, second])


class Ranking(Steady):
    """Looks at the other rows of its batch: says where a row stands among them."""

    def predict_proba(self, features: Any) -> Any:
        second = np.argsort(np.argsort(features["x"].to_numpy())) / len(features)
        return np.column_stack([1 - second, second])


class Forgetful(Steady):
    """Leaves out of its artifact what it has learnt."""

    learnt = 1.0

    def fit(self, features: Any, target: Any) -> Forgetful:
        super().fit(features, target)
        self.here_ = 3.0
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "here_"}

    def predict_proba(self, features: Any) -> Any:
        second = 1 / (1 + np.exp(-getattr(self, "here_", self.learnt) * features["x"].to_numpy()))
        return np.column_stack([1 - second, second])
