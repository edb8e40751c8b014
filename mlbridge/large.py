"""Finite numbers beyond a 32-bit float: scikit-learn's trees refuse them, other estimators need not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlbridge.errors import FeatureError

if TYPE_CHECKING:
    import pandas as pd

# From here on a double becomes infinite as a 32-bit float: half a step beyond the greatest one.
BEYOND = float(2.0**128 - 2.0**103)
# The ensembles of scikit-learn whose trees see the features as they are, in 32-bit floats.
ENSEMBLES = ("ExtraTrees", "GradientBoosting", "RandomForest")


def check_large(node: str, features: pd.DataFrame, candidates: Mapping[str, Any]) -> None:
    """Refuse numbers that a candidate is known not to take; raises FeatureError that names the first such feature.

    Known it is where the feature comes to a tree of scikit-learn, or to an ensemble of them, as it is.
    """
    found = large(features)
    if not found:
        return
    for name, estimator in candidates.items():
        for feature in _untouched(estimator, list(found)):
            raise FeatureError(
                f"{node}: the candidate '{name}' takes no number beyond 3.4e38, because it works in 32-bit floats; "
                f"{described(feature, *found[feature])}. Mend it in the features node (a value that cannot be known "
                f'should be NULL), write `features: {{exclude: ["{feature}"]}}`, or take the candidate out of the list.'
            )


def large(features: pd.DataFrame) -> dict[str, tuple[int, float]]:
    """Give, by feature that has finite numbers beyond a 32-bit float, in how many rows, and the largest in size."""
    found = {}
    for name, values in features.items():
        if values.dtype == np.float64:
            numbers = values.to_numpy()
            numbers = numbers[(np.abs(numbers) >= BEYOND) & np.isfinite(numbers)]
            if len(numbers):
                found[str(name)] = (len(numbers), float(numbers[np.abs(numbers).argmax()]))
    return found


def described(feature: str, rows: int, largest: float) -> str:
    """Say where a feature has such numbers."""
    return f"the feature '{feature}' has such a number in {rows:,} row(s), {largest!r} the largest in size"


def hint(features: pd.DataFrame) -> str:
    """Say which features may be why an estimator failed, or nothing."""
    said = [described(name, *what) for name, what in large(features).items()]
    return f" Numbers beyond 3.4e38 are too large for many estimators: {'; '.join(said)}." if said else ""


def _named(columns: Any) -> Sequence[str]:
    """Give the columns that a transformer names; a selector or places name none before the fit."""
    if isinstance(columns, str):
        return [columns]
    return [each for each in columns if isinstance(each, str)] if isinstance(columns, (list, tuple)) else []


def _untouched(estimator: Any, names: Sequence[str]) -> list[str]:
    """Keep the features that come to a tree, or to an ensemble of trees, as they are."""
    from sklearn import ensemble
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.tree import BaseDecisionTree

    if isinstance(estimator, Pipeline):
        kept = list(names)
        for _, step in estimator.steps[:-1]:
            if isinstance(step, ColumnTransformer):
                named = [_named(columns) for _, what, columns in step.transformers if what == "passthrough"]
                kept = [name for name in kept if any(name in each for each in named)]
            elif step not in (None, "passthrough"):
                kept = []
        return _untouched(estimator.steps[-1][1], kept)
    ensembles = [getattr(ensemble, f"{name}{kind}") for name in ENSEMBLES for kind in ("Classifier", "Regressor")]
    return list(names) if isinstance(estimator, (BaseDecisionTree, *ensembles)) else []
