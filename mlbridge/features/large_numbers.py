"""Finite numbers that overflow a 32-bit float: scikit-learn's trees reject them, other estimators may accept them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlbridge.errors import FeatureError

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import BaseEstimator

# A double of this size or more overflows a 32-bit float: the largest float32 plus half of its spacing.
FLOAT32_OVERFLOW = float(2.0**128 - 2.0**103)
# The ensembles of scikit-learn whose trees convert the features to 32-bit floats.
ENSEMBLES = ("ExtraTrees", "GradientBoosting", "RandomForest")


def check_large(node: str, features: pd.DataFrame, candidates: Mapping[str, BaseEstimator]) -> None:
    """Raise FeatureError if a candidate cannot take a feature's large numbers; it names the first such feature.

    This is known if the feature reaches a tree of scikit-learn, or an ensemble of trees, untransformed.
    """
    found = large(features)
    if not found:
        return
    for name, estimator in candidates.items():
        for feature in _untouched(estimator, list(found)):
            raise FeatureError(
                f"{node}: the candidate '{name}' takes no number beyond 3.4e38, because it works in 32-bit floats; "
                f"{described(feature, *found[feature])}. Correct it in the features node (an unknown value "
                f'should be NULL), write `features: {{exclude: ["{feature}"]}}`, or take the candidate out of the list.'
            )


def large(features: pd.DataFrame) -> dict[str, tuple[int, float]]:
    """Return, by feature with finite numbers beyond float32, the number of such rows and the value of largest size."""
    found = {}
    for name, values in features.items():
        if values.dtype == np.float64:
            numbers = values.to_numpy()
            numbers = numbers[(np.abs(numbers) >= FLOAT32_OVERFLOW) & np.isfinite(numbers)]
            if len(numbers):
                found[str(name)] = (len(numbers), float(numbers[np.abs(numbers).argmax()]))
    return found


def described(feature: str, rows: int, largest: float) -> str:
    """Return a sentence on a feature's large numbers: in how many rows, and the one of largest size."""
    return f"the feature '{feature}' has such a number in {rows:,} row(s), {largest!r} the largest in size"


def hint(features: pd.DataFrame) -> str:
    """Return a sentence about features whose large numbers may have made an estimator fail; empty without any."""
    descriptions = [described(name, *what) for name, what in large(features).items()]
    return (
        f" Numbers beyond 3.4e38 are too large for many estimators: {'; '.join(descriptions)}." if descriptions else ""
    )


def _named(columns: object) -> Sequence[str]:
    """Return the columns that a transformer names; a selector or positions name none before the fit."""
    if isinstance(columns, str):
        return [columns]
    return [each for each in columns if isinstance(each, str)] if isinstance(columns, (list, tuple)) else []


def _untouched(estimator: BaseEstimator, names: Sequence[str]) -> list[str]:
    """Return the features that reach a tree, or an ensemble of trees, untransformed."""
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
