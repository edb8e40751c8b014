"""The candidates of a model: the stock ones with the preprocessing each needs, and those that a node adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mlbridge.catalogue.candidates import CANDIDATES
from mlbridge.errors import TrainingError
from mlbridge.features.columns import FetchedFeature
from mlbridge.typing import Json

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

SEED = 0
# Text features with at most this many distinct values are one-hot or ordinal encoded, others are target encoded.
MAX_CARDINALITY = 50
# More rows per tree cost time and do not make a forest better (on the flights, 23,000 are as good as 115,000).
MOST_ROWS_A_TREE = 30_000
# Texts out of core: with those that are rarer, together, and missing ones a feature has the 256 bins of its numbers.
MOST_TEXTS = 254
# Trees out of core, of up to 32 leaves each; they are fewer if the validation rows get no better.
MOST_TREES = 200


@dataclass(frozen=True)
class Inputs:
    """The features by the preprocessing that they need; `rows` are training rows, `classes` is 0 for a regression.

    `numeric` are numbers; `low_cardinality` are texts with at most `MAX_CARDINALITY` distinct values,
    `high_cardinality` texts with more. `texts` are the `MOST_TEXTS` most frequent training texts by feature, sorted;
    they are there if a candidate is fitted out of core, which sees the rows one batch at a time. `cut` are the features
    of which these are not all.
    """

    task: str
    rows: int
    classes: int
    numeric: tuple[str, ...]
    low_cardinality: tuple[str, ...]
    high_cardinality: tuple[str, ...]
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cut: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        columns: Sequence[FetchedFeature],
        task: str,
        rows: int,
        classes: int,
        texts: Mapping[str, Sequence[str]] | None = None,
    ) -> Inputs:
        """Divide the features into numbers, texts with few distinct values, and texts with many."""
        named = [each for each in columns if each.feature.kind == "category"]
        return cls(
            task,
            rows,
            classes,
            numeric=tuple(each.feature.name for each in columns if each.feature.kind == "numeric"),
            low_cardinality=tuple(each.feature.name for each in named if (each.distinct or 0) <= MAX_CARDINALITY),
            high_cardinality=tuple(each.feature.name for each in named if (each.distinct or 0) > MAX_CARDINALITY),
            texts=texts or {},
            cut=tuple(each.feature.name for each in named if (each.distinct or 0) > MOST_TEXTS),
        )


def _prepared(
    inputs: Inputs, numbers: BaseEstimator | str, codes: BaseEstimator, finish: BaseEstimator | None = None
) -> ColumnTransformer:
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
            ("coded", codes, list(inputs.low_cardinality)),
            ("encoded", target if finish is None else make_pipeline(target, finish), list(inputs.high_cardinality)),
        ]
    )


def _linear(inputs: Inputs, model: BaseEstimator) -> Pipeline:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    # Rows to score are float64; sums in the training frame's narrower floats would be rounded differently.
    wide = FunctionTransformer(np.asarray, kw_args={"dtype": "float64"}, feature_names_out="one-to-one")
    numbers = make_pipeline(wide, SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    codes = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20)
    return make_pipeline(_prepared(inputs, numbers, codes, StandardScaler()), model)


def _codes(unknown: float = np.nan, texts: Sequence[Sequence[str]] | None = None) -> OrdinalEncoder:
    """Return what codes texts, missing ones as NaN; `unknown` is the code of others, `texts` are known beforehand."""
    from sklearn.preprocessing import OrdinalEncoder

    return OrdinalEncoder(
        categories="auto" if texts is None else [np.array([*each, np.nan], dtype=object) for each in texts],
        handle_unknown="use_encoded_value",
        unknown_value=unknown,
        encoded_missing_value=np.nan,
    )


def _tree(inputs: Inputs, model: BaseEstimator) -> Pipeline:
    from sklearn.pipeline import make_pipeline

    return make_pipeline(_prepared(inputs, "passthrough", _codes()), model)


def _logistic_regression(inputs: Inputs) -> Pipeline:
    from sklearn.linear_model import LogisticRegression

    return _linear(inputs, LogisticRegression(max_iter=1000))


def _ridge(inputs: Inputs) -> Pipeline:
    from sklearn.linear_model import Ridge

    return _linear(inputs, Ridge(random_state=SEED))


def _random_forest(inputs: Inputs) -> Pipeline:
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


def _hist_gradient_boosting(inputs: Inputs) -> Pipeline:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    booster = HistGradientBoostingClassifier if inputs.task == "classification" else HistGradientBoostingRegressor
    positions = range(len(inputs.numeric), len(inputs.numeric) + len(inputs.low_cardinality))
    return _tree(inputs, booster(early_stopping=False, categorical_features=list(positions) or None, random_state=SEED))


def _xgboost(inputs: Inputs) -> Pipeline:
    from xgboost import XGBClassifier, XGBRegressor

    booster = XGBClassifier if inputs.task == "classification" else XGBRegressor
    model = booster(
        n_estimators=MOST_TREES,
        early_stopping_rounds=20,
        learning_rate=0.1,
        max_depth=5,
        min_child_weight=5,
        tree_method="hist",
        max_bin=256,
        enable_categorical=True,
        feature_types=["q"] * len(inputs.numeric) + ["c"] * len(inputs.low_cardinality + inputs.high_cardinality),
        n_jobs=-1,
        random_state=SEED,
    )
    return _streamed(inputs, model)


def _lightgbm(inputs: Inputs) -> Pipeline:
    from lightgbm import LGBMClassifier, LGBMRegressor

    booster = LGBMClassifier if inputs.task == "classification" else LGBMRegressor
    model = booster(
        n_estimators=MOST_TREES,
        learning_rate=0.1,
        num_leaves=31,
        min_child_samples=20,
        # A thread sums whole features, so that the number of threads does not matter, and no second copy is made.
        deterministic=True,
        force_col_wise=True,
        n_jobs=-1,
        random_state=SEED,
        verbosity=-1,
    )
    return _streamed(inputs, model)


def _streamed(inputs: Inputs, model: BaseEstimator) -> Pipeline:
    """Return a model that is fitted out of core after a preparation that does not depend on the rows."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline

    whole = [name for name in inputs.low_cardinality + inputs.high_cardinality if name not in inputs.cut]
    # A code that no training row has would be binned as another category; where texts were cut off, some rows have it.
    codes, frequent = (
        _codes(unknown, [inputs.texts[name] for name in some])
        for unknown, some in ((np.nan, whole), (MOST_TEXTS, inputs.cut))
    )
    prepared = ColumnTransformer(
        [
            ("numeric", "passthrough", list(inputs.numeric)),
            ("coded", codes, whole),
            ("frequent", frequent, list(inputs.cut)),
        ]
    )
    return make_pipeline(prepared, model)


_BUILD: dict[str, Callable[[Inputs], Pipeline]] = {
    "logistic_regression": _logistic_regression,
    "ridge": _ridge,
    "random_forest": _random_forest,
    "hist_gradient_boosting": _hist_gradient_boosting,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
}


def own_candidates(node: str, found: Mapping[str, BaseEstimator] | None) -> dict[str, BaseEstimator]:
    """Return the user's own candidates; raises TrainingError if they are no dict of estimators by name."""
    if found is None:
        return {}
    if not isinstance(found, Mapping) or not all(isinstance(name, str) and name for name in found):
        raise TrainingError(
            f"{node}: `candidates` must be a dict of estimators by name, e.g. {{'mine': make_pipeline(...)}}; found "
            f"{list(found) if isinstance(found, Mapping) else type(found).__name__}."
        )
    return dict(found)


def candidates_of(
    node: str, names: Sequence[str], own: Mapping[str, BaseEstimator], inputs: Inputs
) -> dict[str, BaseEstimator]:
    """Return each named candidate as an unfitted estimator; raises TrainingError for one that cannot do the task."""
    from sklearn.base import clone, is_classifier, is_regressor

    fits = is_classifier if inputs.task == "classification" else is_regressor
    candidates = {}
    for name in names:
        if name not in own:
            candidates[name] = _stock(node, name, inputs)
            continue
        if not _is_estimator(own[name]) or not fits(own[name]):
            raise TrainingError(
                f"{node}: the candidate '{name}' is no scikit-learn estimator for {inputs.task}: "
                f"{_type_name(own[name])}. Give a pipeline that ends in one."
            )
        if inputs.task == "classification" and not hasattr(own[name], "predict_proba"):
            raise TrainingError(
                f"{node}: the candidate '{name}' has no `predict_proba`. Wrap it, e.g. in CalibratedClassifierCV."
            )
        candidates[name] = clone(own[name])
    return candidates


def _stock(node: str, name: str, inputs: Inputs) -> BaseEstimator:
    try:
        return _BUILD[name](inputs)
    except ImportError as error:
        extra = CANDIDATES[name].extra
        raise TrainingError(
            f"{node}: the candidate '{name}' needs a package that is not installed: {error}. Install "
            f"`mlbridge{f'[{extra}]' if extra else ''}`, or take it out of the list."
        ) from error


def _is_estimator(own: object) -> bool:
    """Whether it is an instance with scikit-learn's methods; CatBoost's are no children of BaseEstimator."""
    return not isinstance(own, type) and all(hasattr(own, name) for name in ("fit", "get_params", "__sklearn_tags__"))


def _type_name(own: object) -> str:
    return f"the class {own.__name__}, not an instance of it" if isinstance(own, type) else type(own).__name__


def describe(value: object) -> Json:
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
