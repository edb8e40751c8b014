"""Pipelines fitted on columns of every kind, with rows in which a step makes what the next one refuses."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn import ensemble as en
from sklearn import linear_model as lm
from sklearn import preprocessing as pp
from sklearn.compose import make_column_transformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

ROWS = 120


@dataclass(frozen=True)
class Fitted:
    """A pipeline, what it is fitted on, the rows to score (those of the fit come first), and their columns' types."""

    make: Callable[[], Any]
    known: pd.DataFrame
    new: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    tolerance: float = 0.0
    target: str = "class"

    def fitted(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.make().fit(self.known, self.answers())

    def answers(self) -> Any:
        rng = np.random.default_rng(0)
        found = (np.arange(len(self.known)) % 3 > 0) ^ (rng.random(len(self.known)) < 0.2)
        first = self.known.iloc[:, 0]
        if first.dtype.kind == "f":
            found = (first > first.median()) ^ (rng.random(len(self.known)) < 0.1)
        classes = np.asarray(found).astype(int)
        return {"class": classes, "one": np.zeros_like(classes), "number": np.arange(len(classes)) / 7}[self.target]

    def rows(self) -> pd.DataFrame:
        new = {
            name: pd.Series(list(self.new[name]), dtype=self.known[name].dtype if name in self.new else None)
            for name in self.new
        }
        longest = max((len(each) for each in new.values()), default=0)
        some = self.known.iloc[np.arange(longest) % len(self.known)].reset_index(drop=True)
        for name, values in new.items():
            some.loc[: len(values) - 1, name] = values.to_numpy() if values.dtype.kind != "O" else values
        return pd.concat([self.known, some], ignore_index=True)


def amounts(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"amount": rng.exponential(size=ROWS) * 10 + 0.1, "n": rng.integers(1, 5, ROWS) * 1.0})


def objects(values: Sequence[Any]) -> pd.DataFrame:
    """Give a column of objects beside numbers; None stays None."""
    column = pd.Series([values[index % len(values)] for index in range(ROWS)], dtype=object)
    return pd.DataFrame({"c": column, "amount": amounts()["amount"]})


def moments(unit: str) -> pd.DataFrame:
    days = pd.DatetimeIndex(map(pd.Timestamp, ["2020-01-01", "2021-06-30 12:00:00.25", "1960-02-29"]))
    return pd.DataFrame({"d": pd.Series(days[np.arange(ROWS) % 3]).astype(f"datetime64[{unit}]")})


def forest() -> Any:
    return en.RandomForestClassifier(9, max_depth=4, random_state=0)


def logistic() -> Any:
    return lm.LogisticRegression()


def hist() -> Any:
    return en.HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=3, early_stopping=False)


HURT = [0.0, -0.0, -1.0, -0.5, -5.0, np.nan, np.inf, -np.inf, 1e39, 1e-30]
HUGE = [1e155, -1e155, 1.5e308, -1.5e308]
FUNCTIONS: dict[str, Any] = {
    "log": np.log, "log1p": np.log1p, "log2": np.log2, "log10": np.log10, "exp": np.exp, "expm1": np.expm1,
    "sqrt": np.sqrt, "square": np.square, "abs": np.abs, "negative": np.negative,
}  # fmt: skip


def after(function: Any, model: Any, **facts: Any) -> Callable[[], Any]:
    return lambda: make_pipeline(SimpleImputer(), pp.FunctionTransformer(function, **facts), model())


def encoded(encoder: Any, last: Any = logistic) -> Callable[[], Any]:
    return lambda: make_pipeline(make_column_transformer((encoder, ["c"]), remainder="passthrough"), last())


ENCODERS: dict[str, Any] = {
    "one-hot": pp.OneHotEncoder(), "one-hot ignore": pp.OneHotEncoder(handle_unknown="ignore"),
    "one-hot infrequent": pp.OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=2),
    "ordinal": pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
    "target": pp.TargetEncoder(cv=2),
}  # fmt: skip
KINDS: dict[str, list[Any]] = {
    "texts and None": ["a", "b", None], "booleans and None": [True, False, None], "numbers and None": [1, 2.5, None],
    "booleans": [True, False, True], "numbers and NaN": [0.0, 3.0, np.nan],
}  # fmt: skip
DOUBLES = {"amount": HURT}

REFUSALS: dict[str, Fitted] = {
    **{
        f"{name} and {model.__name__}": Fitted(after(function, model), amounts(), DOUBLES, tolerance=1e-12)
        for name, function in FUNCTIONS.items()
        for model in (forest, logistic, hist)
    },
    "validated": Fitted(after(np.sqrt, hist, validate=True), amounts(), DOUBLES, tolerance=1e-12),
    "validated as it is": Fitted(
        lambda: make_pipeline(pp.FunctionTransformer(validate=True), hist()), amounts(), DOUBLES
    ),
    "clipped": Fitted(after(np.clip, forest, kw_args={"a_min": 1, "a_max": 20}), amounts(), DOUBLES),
    "clipped above": Fitted(after(np.clip, forest, kw_args={"a_min": None, "a_max": 20}), amounts(), DOUBLES),
    "NaN to number": Fitted(
        lambda: make_pipeline(pp.FunctionTransformer(np.nan_to_num, kw_args={"nan": -7, "neginf": -9}), forest()),
        amounts(),
        DOUBLES,
    ),
    "imputed again": Fitted(
        lambda: make_pipeline(pp.FunctionTransformer(np.log), SimpleImputer(), logistic()),
        amounts(),
        DOUBLES,
        tolerance=1e-12,
    ),
    "indicator of what is new": Fitted(
        lambda: make_pipeline(MissingIndicator(), logistic()), amounts().assign(c=[np.nan, 1.0] * 60), DOUBLES
    ),
    "power": Fitted(lambda: make_pipeline(pp.PowerTransformer(), logistic()), amounts(), DOUBLES, {}, 1e-9),
    "constant of an empty column": Fitted(
        lambda: make_pipeline(SimpleImputer(strategy="constant", fill_value=-1), forest()),
        amounts().assign(empty=np.nan)[["empty", "amount", "n"]],
        {"empty": [np.inf, 1.0], **DOUBLES},
    ),
    "kept empty column": Fitted(
        lambda: make_pipeline(SimpleImputer(keep_empty_features=True, add_indicator=True), forest()),
        amounts().assign(empty=np.nan)[["empty", "amount", "n"]],
        {"empty": [np.inf, 1.0], **DOUBLES},
    ),
    **{
        f"{name}: {kind}": Fitted(
            encoded(encoder), objects(values), {"c": [None]} if None in values else {}, tolerance=1e-9
        )
        for name, encoder in ENCODERS.items()
        for kind, values in KINDS.items()
    },
    "a boolean beside codes": Fitted(
        encoded(pp.OrdinalEncoder(), lambda: hist().set_params(categorical_features=[0])),
        objects(["x", "y", "z"]).assign(flag=np.arange(ROWS) % 5 > 2),
        types={"flag": "boolean"},
    ),
    **{
        f"moments in {unit}": Fitted(
            lambda: make_pipeline(pp.OneHotEncoder(handle_unknown="ignore"), logistic()),
            moments(unit),
            {"d": [pd.NaT, pd.Timestamp("2020-01-02"), pd.Timestamp("2021-06-30 12:00:00.250001")]},
            {"d": "timestamp"},
            1e-12,
        )
        for unit in ("us", "ns")
    },
    "a tie of gradient boosting": Fitted(
        lambda: en.GradientBoostingClassifier(n_estimators=2, learning_rate=1e-300),
        pd.DataFrame({"a": [0.0, 0.0, 1.0, 1.0] * 3}).iloc[:10],
    ),
    "one class of AdaBoost": Fitted(en.AdaBoostClassifier, amounts(), target="one"),
}  # fmt: skip

# Products of these are too large for a double, which PostgreSQL refuses itself.
OVERFLOWS: dict[str, Fitted] = {
    **{
        f"{name} and {model.__name__}": Fitted(
            lambda step=step, model=model: make_pipeline(SimpleImputer(), step, model()),
            amounts(),
            {"amount": [*HURT, *HUGE], "n": [*HUGE, *HURT]},
            tolerance=1e-9,
        )
        for name, step in {
            "square": pp.FunctionTransformer(np.square), "polynomial": pp.PolynomialFeatures(3),
            "scaler": pp.StandardScaler(), "range": pp.MinMaxScaler(), "power": pp.PowerTransformer(),
            "robust": pp.RobustScaler(), "spline": pp.SplineTransformer(extrapolation="linear"),
        }.items()
        for model in (forest, logistic, hist, GaussianNB)
    },
    "linear": Fitted(lm.LinearRegression, amounts(), {"amount": HUGE, "n": HUGE[::-1]}, {}, 1e-9, "number"),
    "three classes": Fitted(lambda: make_pipeline(logistic()), amounts(), {"amount": HUGE}, {}, 1e-9),
    "tree": Fitted(DecisionTreeClassifier, amounts(), {"amount": HUGE}),
}  # fmt: skip
