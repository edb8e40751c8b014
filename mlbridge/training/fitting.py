"""Fits, one at a time, and the scores of what was fitted: probabilities (rows x classes) or numbers (rows).

Nothing here uses a connection to the warehouse.
"""

from __future__ import annotations

import resource
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlbridge.errors import TrainingError
from mlbridge.features.large_numbers import hint
from mlbridge.training.candidates import describe
from mlbridge.typing import Array, Floats, Json

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import BaseEstimator

# dbt runs nodes in threads; two fits side by side would share the cores and hold two frames.
ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Fitted:
    """A fitted candidate; `peak_memory_mb` is the whole process's highest so far, in MiB.

    `rows` are the training rows of its fit. `data_hash` is the SHA-256 of what it read itself, batch by batch; None if
    it was fitted on the frame.
    """

    name: str
    estimator: BaseEstimator
    params: Json
    fit_seconds: float
    peak_memory_mb: float
    rows: int
    data_hash: str | None = None


def fit(node: str, name: str, estimator: BaseEstimator, features: pd.DataFrame, target: Array) -> Fitted:
    """Fit one candidate; any error of the estimator becomes a TrainingError that names the candidate."""
    params = describe(estimator)
    started = time.perf_counter()
    try:
        estimator.fit(features, target)
    except Exception as error:
        raise TrainingError(f"{node}: the candidate '{name}' failed to fit: {error}{hint(features)}") from error
    seconds = time.perf_counter() - started
    on_one_thread(estimator)
    return Fitted(name, estimator, params, seconds, peak_memory_mb(), len(target))


def on_one_thread(estimator: BaseEstimator) -> None:
    """Let a fitted estimator score on one thread.

    A forest sums its trees' votes in the order in which threads finish; with one thread the last bit does not vary.
    """
    jobs = {key: None for key in estimator.get_params() if key.split("__")[-1] == "n_jobs"}
    if jobs:  # CatBoost takes no call of this once it is fitted
        estimator.set_params(**jobs)


def takes_codes(estimator: BaseEstimator) -> bool:
    """Whether an estimator, or one inside it, is XGBoost's, which takes classes by their numbers from 0 only."""
    inside = [estimator, *estimator.get_params().values()]
    return any(type(each).__module__.split(".")[0] == "xgboost" for each in inside)


def scores_of(estimator: BaseEstimator, features: pd.DataFrame) -> Floats:
    """Score rows: probabilities (rows x classes) of a classifier, numbers (rows) of a regressor; float64."""
    if hasattr(estimator, "classes_"):
        return np.asarray(estimator.predict_proba(features), dtype=np.float64)
    return np.asarray(estimator.predict(features), dtype=np.float64)


def checked_scores(
    node: str, name: str, estimator: BaseEstimator, features: pd.DataFrame, classes: int | None
) -> Floats:
    """Score rows with a fitted candidate: (rows, classes), or (rows,) if `classes` is None; float64.

    Raises TrainingError that names the candidate if it fails, or if its scores have another shape or are not finite.
    """
    try:
        scores = scores_of(estimator, features)
    except Exception as error:
        raise TrainingError(f"{node}: the candidate '{name}' failed to score: {error}{hint(features)}") from error
    expected = (len(features),) if classes is None else (len(features), classes)
    if scores.shape != expected:
        raise TrainingError(
            f"{node}: the candidate '{name}' gives scores of the shape {scores.shape}; expected {expected}: one "
            "number per row, or one probability per row and class."
        )
    missing = int((~np.isfinite(scores)).reshape(len(features), -1).any(axis=1).sum())
    if missing:
        raise TrainingError(
            f"{node}: the candidate '{name}' gives NaN or infinity for {missing:,} of {len(features):,} rows. "
            f"Correct it, or remove it from the candidates.{hint(features)}"
        )
    return scores


def peak_memory_mb() -> float:
    """Return the process's highest resident memory so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024**2 if sys.platform == "darwin" else peak / 1024
