"""The metrics as scikit-learn has them: one entry each, of truth, predictions and weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import metrics as sk

Reference = Callable[[Any, Any, Any], float]

BINARY: dict[str, Reference] = {
    "average_precision": lambda y, p, w: sk.average_precision_score(y, p[:, 1], sample_weight=w),
    "roc_auc": lambda y, p, w: sk.roc_auc_score(y, p[:, 1], sample_weight=w),
    "log_loss": lambda y, p, w: sk.log_loss(y, p, sample_weight=w, labels=[0, 1]),
    "brier": lambda y, p, w: sk.brier_score_loss(y, p[:, 1], sample_weight=w),
    "accuracy": lambda y, p, w: sk.accuracy_score(y, p[:, 1] > p[:, 0], sample_weight=w),
    "precision": lambda y, p, w: sk.precision_score(y, p[:, 1] > p[:, 0], sample_weight=w, zero_division=0),
    "recall": lambda y, p, w: sk.recall_score(y, p[:, 1] > p[:, 0], sample_weight=w, zero_division=np.nan),
    "f1": lambda y, p, w: sk.f1_score(y, p[:, 1] > p[:, 0], sample_weight=w, zero_division=np.nan),
}


def _one_vs_rest(score: Reference) -> Reference:
    return lambda y, p, w: float(np.mean([score(y == c, p[:, c], w) for c in np.unique(y[w > 0])]))


def _macro(score: Callable[..., float]) -> Reference:
    def of(y: Any, p: Any, w: Any) -> float:
        found = p.argmax(axis=1)
        there = np.union1d(y[w > 0], found[w > 0])
        return score(y, found, sample_weight=w, labels=there, average="macro", zero_division=0)

    return of


MANY: dict[str, Reference] = {
    "average_precision": _one_vs_rest(lambda y, p, w: sk.average_precision_score(y, p, sample_weight=w)),
    "roc_auc": _one_vs_rest(lambda y, p, w: sk.roc_auc_score(y, p, sample_weight=w)),
    "log_loss": lambda y, p, w: sk.log_loss(y, p, sample_weight=w, labels=range(p.shape[1])),
    "brier": lambda y, p, w: sk.brier_score_loss(y, p, sample_weight=w, labels=range(p.shape[1])),
    "accuracy": lambda y, p, w: sk.accuracy_score(y, p.argmax(axis=1), sample_weight=w),
    "precision": _macro(sk.precision_score),
    "recall": _macro(sk.recall_score),
    "f1": _macro(sk.f1_score),
}

REGRESSION: dict[str, Reference] = {
    "rmse": lambda y, p, w: sk.root_mean_squared_error(y, p, sample_weight=w),
    "mae": lambda y, p, w: sk.mean_absolute_error(y, p, sample_weight=w),
    "r2": lambda y, p, w: sk.r2_score(y, p, sample_weight=w),
    "median_absolute_error": lambda y, p, w: sk.median_absolute_error(y, p, sample_weight=w),
}


def undefined(name: str, truth: Any, guess: Any) -> bool:
    """Say whether a metric has no meaning on rows, `guess` being the predicted class; of many classes it may have."""
    return {
        "roc_auc": len(set(truth)) == 1,
        "average_precision": not truth.any(),
        "recall": not truth.any(),
        "f1": not truth.any() and not guess.any(),
        "r2": len(set(truth)) == 1,
    }.get(name, False)


def of_rows(truth: Any, scores: Any) -> dict[str, float | None]:
    """Measure predictions, or the probabilities of classes by their codes; what is not defined is None."""
    if scores.ndim == 1:
        references, guess = REGRESSION, scores
    else:
        references, guess = BINARY if scores.shape[1] == 2 else MANY, scores.argmax(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {name: float(each(truth, scores, np.ones(len(truth)))) for name, each in references.items()}
    lacking = {name for name in found if references is not MANY and undefined(name, truth, guess)}
    return {name: None if name in lacking or np.isnan(value) else value for name, value in found.items()}
