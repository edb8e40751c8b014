"""The steps that random pipelines are drawn from: what prepares numbers, what encodes categories, what predicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from compile_case import EXACT
from compile_cases_boosted import (
    SINGLE,
    extreme,
    extreme_number,
    light,
    light_number,
    oblivious,
    oblivious_number,
    unnamed,
)
from sklearn import discriminant_analysis as da
from sklearn import dummy
from sklearn import ensemble as en
from sklearn import feature_selection as fs
from sklearn import linear_model as lm
from sklearn import naive_bayes as nb
from sklearn import preprocessing as pp
from sklearn import tree as tr
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputRegressor, RegressorChain
from sklearn.neural_network import MLPClassifier, MLPRegressor

# What numpy and an engine compute in another order, or with another logarithm, differs by this, relatively.
CLOSE = 1e-9
# Variances of constant columns are so small that large terms cancel each other.
CANCELLED = 1e-5


@dataclass(frozen=True)
class Step:
    """An estimator, how exact its SQL is, and of a predictor what it is fitted on."""

    make: Callable[[], Any]
    tolerance: float = EXACT
    target: str = "two"


def steps(*makers: Callable[[], Any], tolerance: float = EXACT, target: str = "two") -> list[Step]:
    return [Step(make, tolerance, target) for make in makers]


def function(called: Any, **facts: Any) -> Callable[[], Any]:
    return lambda: pp.FunctionTransformer(called, **facts)


NUMERIC = [
    *steps(
        SimpleImputer, lambda: SimpleImputer(strategy="median", add_indicator=True),
        lambda: SimpleImputer(strategy="constant", fill_value=-1.0),
        lambda: SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True),
        lambda: SimpleImputer(strategy="most_frequent", missing_values=0.0),
        MissingIndicator, lambda: MissingIndicator(features="all"),
        pp.StandardScaler, pp.MinMaxScaler, pp.RobustScaler, pp.MaxAbsScaler, lambda: pp.MinMaxScaler(clip=True),
        lambda: pp.StandardScaler(with_mean=False), lambda: pp.Binarizer(threshold=0.3),
        lambda: pp.KBinsDiscretizer(3, encode="ordinal", strategy="uniform"),
        lambda: pp.KBinsDiscretizer(3, encode="onehot-dense", strategy="uniform"),
        lambda: pp.KBinsDiscretizer(3, strategy="kmeans", random_state=0),
        lambda: pp.PolynomialFeatures(2), lambda: pp.PolynomialFeatures(3, interaction_only=True, include_bias=False),
        lambda: pp.QuantileTransformer(n_quantiles=20), lambda: pp.SplineTransformer(4, degree=2),
        lambda: pp.SplineTransformer(3, extrapolation="linear"),
        lambda: pp.SplineTransformer(3, extrapolation="periodic", handle_missing="zeros"),
        fs.VarianceThreshold, function(None), function(np.abs), function(np.negative), function(np.square),
        function(None, validate=True), function(np.asarray, kw_args={"dtype": "float64"}),
        function(np.clip, kw_args={"a_min": -1.0, "a_max": 3.0}), function(np.nan_to_num),
        function(np.nan_to_num, kw_args={"nan": -2.0, "posinf": 9.0}), function(np.sqrt),
    ),
    *steps(
        function(np.log), function(np.log1p), function(np.log2), function(np.log10), function(np.exp),
        function(np.expm1), function(np.log1p, validate=True), pp.PowerTransformer,
        lambda: pp.PowerTransformer(standardize=False), lambda: pp.PowerTransformer("box-cox"),
        lambda: pp.QuantileTransformer(n_quantiles=20, output_distribution="normal"), lambda: PCA(1),
        lambda: PCA(whiten=True), lambda: TruncatedSVD(1), pp.Normalizer, lambda: pp.Normalizer("l1"),
        tolerance=CLOSE,
    ),
    *steps(lambda: fs.SelectKBest(k=1), lambda: fs.SelectPercentile(percentile=60),
           lambda: fs.SelectFromModel(tr.DecisionTreeClassifier(max_depth=3, random_state=0))),
]  # fmt: skip
ENCODERS = steps(
    pp.OneHotEncoder, lambda: pp.OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    lambda: pp.OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=3, drop="first"),
    lambda: pp.OneHotEncoder(handle_unknown="ignore", min_frequency=9, sparse_output=False),
    pp.OrdinalEncoder, lambda: pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    lambda: pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=-2),
    lambda: pp.TargetEncoder(cv=2),
)  # fmt: skip
SMALL: dict[str, Any] = {"n_estimators": 4, "random_state": 0}
MODELS = [
    *steps(
        lambda: tr.DecisionTreeClassifier(max_depth=4, random_state=0), lambda: en.RandomForestClassifier(**SMALL),
        lambda: en.ExtraTreesClassifier(**SMALL), lambda: en.GradientBoostingClassifier(**SMALL),
        lambda: en.HistGradientBoostingClassifier(max_iter=4, min_samples_leaf=4), dummy.DummyClassifier,
        lambda: en.GradientBoostingClassifier(loss="exponential", **SMALL), oblivious,
        lambda: oblivious(grow_policy="Depthwise", nan_mode="Max"), extreme,
        lambda: extreme(grow_policy="lossguide", max_leaves=5, subsample=0.7), lambda: unnamed(light()),
        lambda: unnamed(light(boosting_type="dart", drop_rate=0.5, sigmoid=2.5)),
    ),
    *steps(extreme, lambda: unnamed(light()), target="codes"),
    *steps(lambda: CalibratedClassifierCV(extreme(), cv=2), tolerance=SINGLE),
    *steps(lambda: en.RandomForestClassifier(max_depth=9, n_estimators=9), target="labels"),
    *steps(
        lambda: en.RandomForestRegressor(**SMALL), lambda: en.GradientBoostingRegressor(**SMALL),
        lambda: en.HistGradientBoostingRegressor(max_iter=4, min_samples_leaf=4), tr.ExtraTreeRegressor,
        lambda: en.AdaBoostRegressor(**SMALL), oblivious_number, extreme_number, lambda: unnamed(light_number()),
        lambda: unnamed(light_number(objective="quantile")), target="number",
    ),
    *steps(
        lambda: extreme_number(objective="reg:tweedie"), lambda: unnamed(light_number(objective="poisson")),
        target="positive",
    ),
    *steps(
        lambda: en.HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=4),
        lambda: en.GradientBoostingClassifier(**SMALL), lm.LogisticRegression, lm.RidgeClassifier,
        da.LinearDiscriminantAnalysis, lambda: lm.SGDClassifier(loss="log_loss", random_state=0),
        lambda: OneVsRestClassifier(lm.LogisticRegression()), nb.BernoulliNB, nb.MultinomialNB, nb.CategoricalNB,
        lambda: OneVsRestClassifier(tr.DecisionTreeClassifier(max_depth=3)),
        lambda: MLPClassifier((3,), max_iter=5, random_state=0),
        lambda: en.BaggingClassifier(tr.DecisionTreeClassifier(max_depth=3), **SMALL),
        oblivious, tolerance=CLOSE, target="three",
    ),
    *steps(
        lm.LogisticRegression, lambda: lm.SGDClassifier(random_state=0), lm.Perceptron,
        lm.RidgeClassifier, lambda: en.AdaBoostClassifier(**SMALL), lambda: en.IsolationForest(**SMALL),
        lambda: CalibratedClassifierCV(lm.LogisticRegression(), cv=2),
        lambda: CalibratedClassifierCV(tr.DecisionTreeClassifier(max_depth=2), method="isotonic", cv=2),
        lambda: en.StackingClassifier([("a", lm.LogisticRegression()), ("b", tr.DecisionTreeClassifier(max_depth=2))]),
        lambda: FixedThresholdClassifier(lm.LogisticRegression(), threshold=0.4),
        lambda: TunedThresholdClassifierCV(tr.DecisionTreeClassifier(max_depth=3), cv=2),
        lambda: en.VotingClassifier([("a", tr.DecisionTreeClassifier()), ("b", lm.LogisticRegression())]),
        tolerance=CLOSE,
    ),
    *steps(nb.GaussianNB, tolerance=CANCELLED),
    *steps(nb.GaussianNB, lambda: en.StackingClassifier([("a", nb.GaussianNB()), ("b", lm.LogisticRegression())], cv=2),
           tolerance=CANCELLED, target="three"),
    *steps(lm.LinearRegression, lm.Ridge, lm.HuberRegressor, lm.BayesianRidge,
           lambda: en.StackingRegressor([("a", lm.Ridge()), ("b", tr.DecisionTreeRegressor(max_depth=2))]),
           tolerance=CLOSE, target="number"),
    *steps(lambda: MLPRegressor((3,), max_iter=5, random_state=0, activation="tanh"), tolerance=CLOSE, target="number"),
    *steps(lm.PoissonRegressor, lm.GammaRegressor,
           lambda: TransformedTargetRegressor(lm.Ridge(), func=np.log, inverse_func=np.exp),
           tolerance=CLOSE, target="positive"),
    *steps(lm.RidgeClassifier, lambda: OneVsRestClassifier(lm.LogisticRegression()),
           lambda: ClassifierChain(tr.DecisionTreeClassifier(max_depth=3)), tolerance=CLOSE, target="labels"),
    *steps(lambda: MultiOutputRegressor(lm.Ridge()), lambda: RegressorChain(tr.DecisionTreeRegressor(max_depth=3)),
           lm.LinearRegression, lambda: lm.MultiTaskLasso(alpha=0.01), tolerance=CLOSE, target="numbers"),
]  # fmt: skip
