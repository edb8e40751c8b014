"""Train: the stock candidates with the preprocessing each needs, and one fit at a time.

Pure: it sees frames and estimators, no connection. Scores are probabilities (rows x classes) or numbers (rows).
"""

from __future__ import annotations

import resource
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlbridge.errors import TrainingError
from mlbridge.features import Column
from mlbridge.large import hint

if TYPE_CHECKING:
    import pandas as pd

SEED = 0
# Up to here each text gets a column or a code of its own; above, the target's mean stands for it.
MOST_CODES = 50
# A forest's trees gain nothing from more rows each (on the flights, 23,000 do as well as 115,000), only time.
MOST_ROWS_A_TREE = 30_000
# dbt runs nodes in threads; two fits side by side would share the cores and hold two frames.
ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Fitted:
    """A fitted candidate; `peak_memory_mb` is the whole process's highest so far, in MiB."""

    name: str
    estimator: Any
    params: dict[str, Any]
    fit_seconds: float
    peak_memory_mb: float


@dataclass(frozen=True)
class Inputs:
    """What a stock candidate must know of the columns to prepare them; `classes` is 0 for a regression."""

    task: str
    rows: int
    classes: int
    numeric: tuple[str, ...]
    coded: tuple[str, ...]
    encoded: tuple[str, ...]

    @classmethod
    def of(cls, columns: Sequence[Column], task: str, rows: int, classes: int) -> Inputs:
        """Sort the columns into numbers, texts with few values, and texts with many."""
        texts = [each for each in columns if each.feature.kind == "category"]
        return cls(
            task,
            rows,
            classes,
            numeric=tuple(each.feature.name for each in columns if each.feature.kind == "numeric"),
            coded=tuple(each.feature.name for each in texts if (each.distinct or 0) <= MOST_CODES),
            encoded=tuple(each.feature.name for each in texts if (each.distinct or 0) > MOST_CODES),
        )


def _prepared(inputs: Inputs, numbers: Any, codes: Any, finish: Any = None) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.model_selection import KFold, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import TargetEncoder

    kind = {0: "continuous", 2: "binary"}.get(inputs.classes, "multiclass")
    folds = KFold if inputs.classes == 0 else StratifiedKFold
    target = TargetEncoder(target_type=kind, cv=folds(5, shuffle=True, random_state=SEED))
    return ColumnTransformer(
        [
            ("numeric", numbers, list(inputs.numeric)),
            ("coded", codes, list(inputs.coded)),
            ("encoded", target if finish is None else make_pipeline(target, finish), list(inputs.encoded)),
        ]
    )


def _linear(inputs: Inputs, model: Any) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    # Rows to score come as doubles; in the frame's narrow floats the same sums would end in other digits.
    wide = FunctionTransformer(np.asarray, kw_args={"dtype": "float64"}, feature_names_out="one-to-one")
    numbers = make_pipeline(wide, SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    codes = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20)
    return make_pipeline(_prepared(inputs, numbers, codes, StandardScaler()), model)


def _codes() -> Any:
    from sklearn.preprocessing import OrdinalEncoder

    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)


def _tree(inputs: Inputs, model: Any) -> Any:
    from sklearn.pipeline import make_pipeline

    return make_pipeline(_prepared(inputs, "passthrough", _codes()), model)


def _logistic_regression(inputs: Inputs) -> Any:
    from sklearn.linear_model import LogisticRegression

    return _linear(inputs, LogisticRegression(max_iter=1000))


def _ridge(inputs: Inputs) -> Any:
    from sklearn.linear_model import Ridge

    return _linear(inputs, Ridge(random_state=SEED))


def _random_forest(inputs: Inputs) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    forest = RandomForestClassifier if inputs.task == "classification" else RandomForestRegressor
    return _tree(
        inputs,
        forest(
            n_estimators=100,
            max_depth=12,
            min_samples_leaf=20,
            max_features="sqrt",
            max_samples=min(inputs.rows, MOST_ROWS_A_TREE),
            n_jobs=-1,
            random_state=SEED,
        ),
    )


def _hist_gradient_boosting(inputs: Inputs) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    booster = HistGradientBoostingClassifier if inputs.task == "classification" else HistGradientBoostingRegressor
    places = range(len(inputs.numeric), len(inputs.numeric) + len(inputs.coded))
    return _tree(inputs, booster(early_stopping=False, categorical_features=list(places) or None, random_state=SEED))


STOCK: dict[str, Callable[[Inputs], Any]] = {
    "logistic_regression": _logistic_regression,
    "ridge": _ridge,
    "random_forest": _random_forest,
    "hist_gradient_boosting": _hist_gradient_boosting,
}


def own_candidates(node: str, found: Any) -> dict[str, Any]:
    """Give the candidates that the node's Python adds; raises TrainingError when they have no names."""
    if found is None:
        return {}
    if not isinstance(found, Mapping) or not all(isinstance(name, str) and name for name in found):
        raise TrainingError(
            f"{node}: `candidates` must be a dict of estimators by name, e.g. {{'mine': make_pipeline(...)}}; found "
            f"{list(found) if isinstance(found, Mapping) else type(found).__name__}."
        )
    return dict(found)


def candidates_of(node: str, names: Sequence[str], own: Mapping[str, Any], inputs: Inputs) -> dict[str, Any]:
    """Give each named candidate as an unfitted estimator; raises TrainingError for one that cannot do the task."""
    from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor

    fits = is_classifier if inputs.task == "classification" else is_regressor
    candidates = {}
    for name in names:
        if name not in own:
            candidates[name] = STOCK[name](inputs)
            continue
        if not isinstance(own[name], BaseEstimator) or not fits(own[name]):
            raise TrainingError(
                f"{node}: the candidate '{name}' is no scikit-learn estimator for {inputs.task}: "
                f"{_called(own[name])}. Give a pipeline that ends in one."
            )
        if inputs.task == "classification" and not hasattr(own[name], "predict_proba"):
            raise TrainingError(
                f"{node}: the candidate '{name}' has no `predict_proba`. Wrap it, e.g. in CalibratedClassifierCV."
            )
        candidates[name] = clone(own[name])
    return candidates


def _called(own: Any) -> str:
    return f"the class {own.__name__}, not an instance of it" if isinstance(own, type) else type(own).__name__


def fit(node: str, name: str, estimator: Any, features: pd.DataFrame, target: np.ndarray[Any, Any]) -> Fitted:
    """Fit one candidate; raises TrainingError that names it, whatever the estimator raised."""
    params = describe(estimator)
    started = time.perf_counter()
    try:
        estimator.fit(features, target)
    except Exception as error:
        raise TrainingError(f"{node}: the candidate '{name}' failed to fit: {error}{hint(features)}") from error
    seconds = time.perf_counter() - started
    # A forest adds its trees' votes up in the order in which threads finish: one thread, or the last bit varies.
    jobs = {key: None for key in estimator.get_params() if key.split("__")[-1] == "n_jobs"}
    estimator.set_params(**jobs)
    return Fitted(name, estimator, params, seconds, peak_memory_mb())


def scores_of(estimator: Any, features: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Score rows: probabilities (rows x classes) of a classifier, numbers (rows) of a regressor; float64."""
    if hasattr(estimator, "classes_"):
        return np.asarray(estimator.predict_proba(features), dtype=np.float64)
    return np.asarray(estimator.predict(features), dtype=np.float64)


def checked_scores(
    node: str, name: str, estimator: Any, features: pd.DataFrame, classes: int | None
) -> np.ndarray[Any, Any]:
    """Score rows with a candidate just fitted; raises TrainingError that names it when that gives no scores."""
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
            f"{node}: the candidate '{name}' gives NaN or infinity for {missing:,} of {len(features):,} rows. Mend "
            f"it, or take it out of the candidates.{hint(features)}"
        )
    return scores


def describe(value: Any) -> Any:
    """Describe an estimator by its parameters, as JSON: the same for equal ones, in every process."""
    if hasattr(value, "get_params") and not isinstance(value, type):
        params = {key: describe(item) for key, item in sorted(value.get_params(deep=False).items())}
        return {"class": f"{type(value).__module__}.{type(value).__qualname__}", **params}
    if isinstance(value, Mapping):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    if isinstance(value, np.ndarray):
        return [describe(item) for item in value.tolist()]
    if isinstance(value, np.generic):
        return describe(value.item())
    if isinstance(value, (set, frozenset)):
        return sorted(map(describe, value), key=str)
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    named = getattr(value, "__qualname__", None)
    return f"{value.__module__}.{named}" if named else f"{type(value).__module__}.{type(value).__qualname__}"


def peak_memory_mb() -> float:
    """Give the process's highest resident memory so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024**2 if sys.platform == "darwin" else peak / 1024
