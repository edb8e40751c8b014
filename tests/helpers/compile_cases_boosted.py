"""The cases of LightGBM, XGBoost and CatBoost: each objective, missing values, codes, and early stopping."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb
from catboost import CatBoostClassifier, CatBoostRegressor
from compile_case import ROUNDED, SEED, Case
from compiled import NUMBERS, TEXTS
from sklearn import preprocessing as pp
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline

# XGBoost's numbers are floats of 32 bits, which scikit-learn goes on with.
SINGLE = 1e-6
# Names that LightGBM leaves as they are.
PLAIN = ("x", "count")
ALL = (*NUMBERS, *TEXTS)
SMALL: dict[str, Any] = {"n_estimators": 12, "num_leaves": 9, "min_child_samples": 5, "n_jobs": 1, "verbose": -1}
# Splits by category although there are few rows of each.
FEW = {"cat_smooth": 1, "min_data_per_group": 5}
light = functools.partial(lgb.LGBMClassifier, **SMALL)
light_number = functools.partial(lgb.LGBMRegressor, **SMALL)
extreme = functools.partial(xgb.XGBClassifier, n_estimators=12, max_depth=4, n_jobs=1, random_state=SEED)
extreme_number = functools.partial(xgb.XGBRegressor, n_estimators=12, max_depth=4, n_jobs=1, random_state=SEED)
# `allow_writing_files`: CatBoost leaves a folder with the course of the training where it runs, unless told not to.
FITTED_HERE: dict[str, Any] = {
    "iterations": 12, "depth": 4, "verbose": 0, "thread_count": 1, "random_seed": SEED, "allow_writing_files": False,
}  # fmt: skip
oblivious = functools.partial(CatBoostClassifier, **FITTED_HERE)
oblivious_number = functools.partial(CatBoostRegressor, **FITTED_HERE)


@dataclass
class Stopped:
    """An estimator that is fitted with every third row as the evaluation set, and stops early."""

    estimator: Any
    facts: dict[str, Any]

    def fit(self, frame: pd.DataFrame, target: Any) -> Any:
        return self.estimator.fit(frame, target, eval_set=[(frame[::3], target[::3])], **self.facts)


def stopped_light(estimator: Any) -> Stopped:
    return Stopped(estimator, {"callbacks": [lgb.early_stopping(2, verbose=False)]})


def stopped_extreme(estimator: Any) -> Stopped:
    return Stopped(estimator, {"verbose": False})


def unnamed(estimator: Any) -> Any:
    """Take the columns as an array: LightGBM does not take every name, and has another one for some."""
    return make_pipeline(pp.FunctionTransformer(np.asarray, kw_args={"dtype": "float64"}), estimator)


def coded(estimator: Any, missing: float = np.nan) -> Any:
    """Take texts as codes, those that the fit has not seen as -1."""
    codes = pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=missing)
    return make_pipeline(make_column_transformer(("passthrough", list(NUMBERS)), (codes, list(TEXTS))), estimator)


@dataclass
class Scaled:
    """CatBoost, whose sums are scaled and shifted after the fit."""

    estimator: Any

    def fit(self, frame: pd.DataFrame, target: Any) -> Any:
        fitted = self.estimator.fit(frame, target)
        fitted.set_scale_and_bias(0.3, 1.7)
        return fitted


@dataclass
class ByCode:
    """A pipeline that ends in LightGBM, which is told when it is fitted which columns are categories."""

    pipeline: Any
    places: list[int]

    def fit(self, frame: pd.DataFrame, target: Any) -> Any:
        last, _ = self.pipeline.steps[-1]
        return self.pipeline.fit(frame, target, **{f"{last}__categorical_feature": self.places})


BOOSTED: dict[str, list[Case]] = {
    "catboost.CatBoostClassifier": [
        Case(oblivious, "two"),
        Case(oblivious, "two", missing=True),
        Case(lambda: oblivious(nan_mode="Max", iterations=45), "two", missing=True),
        Case(oblivious, "three", missing=True, tolerance=ROUNDED),
        Case(lambda: oblivious(loss_function="MultiClassOneVsAll"), "three", missing=True),
        Case(lambda: oblivious(loss_function="CrossEntropy"), "two"),
        Case(lambda: oblivious(grow_policy="Lossguide"), "two", missing=True),
        Case(lambda: oblivious(grow_policy="Depthwise"), "codes", missing=True, tolerance=ROUNDED),
        Case(lambda: coded(oblivious()), "two", ALL, missing=True),
        Case(lambda: make_pipeline(oblivious()), "two"),
        Case(lambda: Stopped(oblivious(iterations=300, od_wait=2, learning_rate=0.9), {}), "two", missing=True),
        Case(lambda: unnamed(CalibratedClassifierCV(oblivious(), cv=2)), "two", tolerance=ROUNDED),
    ],
    "catboost.CatBoostRegressor": [
        Case(oblivious_number, missing=True),
        Case(lambda: oblivious_number(grow_policy="Lossguide"), missing=True),
        Case(lambda: Scaled(oblivious_number()), missing=True),
        *(
            Case(lambda name=name: oblivious_number(loss_function=name), "positive", missing=True)
            for name in (
                "MAE", "Quantile:alpha=0.3", "LogLinQuantile", "MAPE", "Lq:q=1.5", "Huber:delta=1",
                "Expectile:alpha=0.4", "LogCosh",
            )
        ),
        *(
            Case(lambda name=name: oblivious_number(loss_function=name), "positive", tolerance=ROUNDED)
            for name in ("Poisson", "Tweedie:variance_power=1.5")
        ),
        Case(lambda: oblivious_number(loss_function="MultiRMSE"), "numbers", missing=True),
        Case(lambda: oblivious_number(loss_function="MultiQuantile:alpha=0.2,0.8")),
        Case(lambda: oblivious_number(random_strength=0, iterations=2, depth=1, l2_leaf_reg=1e9)),
    ],
    "lightgbm.LGBMClassifier": [
        Case(lambda: unnamed(light()), "two"),
        Case(light, "two", PLAIN, missing=True),
        Case(lambda: unnamed(light(zero_as_missing=True)), "two", missing=True),
        Case(lambda: unnamed(light()), "three", missing=True),
        Case(lambda: unnamed(light(objective="multiclassova", sigmoid=0.7)), "three"),
        Case(lambda: light(sigmoid=2.5, boosting_type="dart", drop_rate=0.5), "two", PLAIN, missing=True),
        Case(lambda: ByCode(coded(light(**FEW)), [4, 5]), "two", ALL, missing=True),
        Case(lambda: ByCode(unnamed(light(max_cat_to_onehot=1, **FEW)), [0, 3]), "three", missing=True),
        Case(
            lambda: make_pipeline(
                make_column_transformer((pp.OneHotEncoder(handle_unknown="ignore"), ["city"]), sparse_threshold=1),
                light(),
            ),
            "two",
            ("city",),
            missing=True,
        ),
        Case(lambda: stopped_light(light(n_estimators=300, learning_rate=0.9)), "two", PLAIN, missing=True),
        Case(lambda: unnamed(light(n_estimators=2, min_child_samples=290)), "two"),
        Case(lambda: CalibratedClassifierCV(light(), cv=2), "two", PLAIN),
    ],
    "lightgbm.LGBMRegressor": [
        Case(lambda: unnamed(light_number()), missing=True),
        *(
            Case(lambda name=name: unnamed(light_number(objective=name)))
            for name in ("regression_l1", "huber", "fair", "quantile", "mape")
        ),
        *(
            Case(lambda name=name: unnamed(light_number(objective=name)), "positive")
            for name in ("poisson", "gamma", "tweedie")
        ),
        Case(lambda: unnamed(light_number(objective="cross_entropy")), "share"),
        Case(lambda: unnamed(light_number(reg_sqrt=True))),
        Case(lambda: unnamed(light_number(boosting="rf", bagging_freq=1, bagging_fraction=0.5)), missing=True),
        Case(lambda: stopped_light(light_number(n_estimators=300, learning_rate=0.9)), "number", PLAIN, missing=True),
    ],
    "xgboost.XGBClassifier": [
        Case(extreme, "two"),
        Case(extreme, "two", missing=True),
        Case(extreme, "codes", missing=True),
        Case(lambda: extreme(objective="multi:softmax"), "codes", tolerance=SINGLE),
        Case(lambda: extreme(booster="dart", rate_drop=0.4, base_score=0.2), "two", missing=True),
        Case(lambda: extreme(booster="dart", rate_drop=0.4), "codes"),
        Case(lambda: extreme(num_parallel_tree=3, subsample=0.6), "codes", missing=True),
        Case(lambda: extreme(missing=3), "two", missing=True),
        Case(
            lambda: coded(extreme(feature_types=["q"] * 4 + ["c"] * 2, enable_categorical=True, max_cat_to_onehot=1)),
            "two",
            ALL,
            missing=True,
        ),
        Case(lambda: extreme(feature_types=["q", "q", "q", "c"], enable_categorical=True), "two", missing=True),
        Case(lambda: stopped_extreme(extreme(n_estimators=300, early_stopping_rounds=2)), "two", missing=True),
        Case(lambda: CalibratedClassifierCV(extreme(), cv=2), "two", tolerance=SINGLE),
    ],
    "xgboost.XGBRegressor": [
        Case(extreme_number, missing=True),
        Case(extreme_number, "numbers", missing=True),
        *(
            Case(lambda name=name: extreme_number(objective=name), "positive")
            for name in (
                "reg:squaredlogerror", "reg:absoluteerror", "reg:pseudohubererror", "count:poisson", "reg:gamma",
                "reg:tweedie",
            )
        ),
        Case(lambda: extreme_number(objective="reg:quantileerror", quantile_alpha=[0.2, 0.7])),
        Case(lambda: extreme_number(objective="reg:logistic"), "share"),
        Case(lambda: extreme_number(missing=np.inf, grow_policy="lossguide", max_leaves=7), missing=True),
        Case(lambda: stopped_extreme(extreme_number(n_estimators=300, early_stopping_rounds=2)), missing=True),
    ],
}  # fmt: skip
