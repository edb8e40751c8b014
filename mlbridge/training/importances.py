"""Permutation importance: how much the metric suffers when one feature's values are shuffled among the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import numpy as np

from mlbridge.catalogue.metrics import greater_is_better
from mlbridge.evaluation.metrics import metric_value
from mlbridge.evaluation.sample import Sample, Weighted
from mlbridge.training.fitting import scores_of
from mlbridge.typing import Array

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import BaseEstimator

REPEATS = 5
# More rows sharpen the figure little; the cost grows with rows x features x repeats.
MOST_ROWS = 5_000


class Importance(TypedDict):
    """How much worse the metric gets, in its unit, if a feature's values are shuffled; None if that is not finite."""

    feature: str
    mean: float | None
    std: float | None
    n: int


def importance_rows(
    estimator: BaseEstimator, features: pd.DataFrame, truth: Array, metric: str, seed: int = 0
) -> list[Importance]:
    """Return one record per feature: how much worse `metric` gets, in its unit (Breiman 2001).

    `truth` holds class codes or numbers. Rows beyond `MOST_ROWS` are sampled once, with the seed.
    """
    from sklearn.inspection import permutation_importance

    if len(features) > MOST_ROWS:
        chosen = np.sort(np.random.default_rng(seed).choice(len(features), MOST_ROWS, replace=False))
        features, truth = features.iloc[chosen], truth[chosen]
    sign = 1.0 if greater_is_better(metric) else -1.0

    def score(fitted: BaseEstimator, rows: pd.DataFrame, known: Array) -> float:
        return sign * metric_value(Weighted(Sample(known, scores_of(fitted, rows))), metric)

    found = permutation_importance(estimator, features, truth, scoring=score, n_repeats=REPEATS, random_state=seed)
    return [
        {"feature": name, "mean": _number(mean), "std": _number(std), "n": len(features)}
        for name, mean, std in zip(features.columns, found.importances_mean, found.importances_std, strict=True)
    ]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
