"""Permutation importance: how much the metric suffers when one feature's values are shuffled among the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlbridge.metrics import greater_is_better, value
from mlbridge.sample import Sample, Weighted
from mlbridge.train import scores_of

if TYPE_CHECKING:
    import pandas as pd

REPEATS = 5
# More rows sharpen the figure little; the cost grows with rows x features x repeats.
MOST_ROWS = 5_000


def importance_rows(
    estimator: Any, features: pd.DataFrame, truth: np.ndarray[Any, Any], metric: str, seed: int = 0
) -> list[dict[str, Any]]:
    """Give one record per feature: `feature, mean, std, n`; the fall of `metric` in its own unit (Breiman 2001).

    `truth` holds class codes or numbers. Rows beyond `MOST_ROWS` are sampled once, with the seed.
    """
    from sklearn.inspection import permutation_importance

    if len(features) > MOST_ROWS:
        chosen = np.sort(np.random.default_rng(seed).choice(len(features), MOST_ROWS, replace=False))
        features, truth = features.iloc[chosen], truth[chosen]
    sign = 1.0 if greater_is_better(metric) else -1.0

    def score(fitted: Any, rows: pd.DataFrame, known: np.ndarray[Any, Any]) -> float:
        return sign * value(Weighted(Sample(known, scores_of(fitted, rows))), metric)

    found = permutation_importance(estimator, features, truth, scoring=score, n_repeats=REPEATS, random_state=seed)
    return [
        {"feature": name, "mean": _number(mean), "std": _number(std), "n": len(features)}
        for name, mean, std in zip(features.columns, found.importances_mean, found.importances_std, strict=True)
    ]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
