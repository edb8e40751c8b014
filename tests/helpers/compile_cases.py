"""For each covered estimator the pipelines that its parity is tested with, and what they are fitted on."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from compile_case import ROUNDED, SEED, Case
from compile_cases_boosted import BOOSTED
from compile_cases_wrapped import WRAPPED
from compiled import NUMBERS, TEXTS, rows_to_fit, targets
from sklearn import ensemble as en
from sklearn import linear_model as lm
from sklearn import preprocessing as pp
from sklearn import tree as tr
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_transformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.feature_selection import SelectKBest, VarianceThreshold, f_classif
from sklearn.frozen import FrozenEstimator
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.model_selection import GridSearchCV, KFold, RandomizedSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.svm import SVC, LinearSVC, LinearSVR


def numbers(make: Callable[[], Any], **facts: Any) -> Case:
    return Case(make, **facts)


def linear(make: Callable[[], Any], target: str = "number") -> Case:
    """A linear model behind a scaler."""
    return Case(lambda: make_pipeline(pp.StandardScaler(), make()), target, tolerance=ROUNDED)


def texts(make: Callable[[], Any], target: str = "number", columns: tuple[str, ...] = TEXTS) -> Case:
    return Case(make, target, columns, missing=True)


def mixed() -> Any:
    """Prepare numbers and texts as the stock candidates for linear models do."""
    return make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median", add_indicator=True), pp.StandardScaler()), list(NUMBERS)),
        (pp.OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20), ["city"]),
        (
            make_pipeline(pp.TargetEncoder(cv=KFold(3), target_type="binary"), pp.StandardScaler()),
            ["Straße"],
        ),
    )


def coded() -> Any:
    """Prepare numbers and texts as the stock candidates for trees do."""
    codes = pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)
    return make_column_transformer(("passthrough", list(NUMBERS)), (codes, list(TEXTS)))


ALL = (*NUMBERS, *TEXTS)
tree = functools.partial(tr.DecisionTreeClassifier, max_depth=4, random_state=SEED)
small_tree = functools.partial(tr.DecisionTreeRegressor, max_depth=3, random_state=SEED)
forest = functools.partial(en.RandomForestClassifier, n_estimators=7, max_depth=5, random_state=SEED)
hist = functools.partial(en.HistGradientBoostingClassifier, max_iter=12, early_stopping=False, random_state=SEED)
hist_number = functools.partial(en.HistGradientBoostingRegressor, max_iter=12, early_stopping=False, random_state=SEED)
boosted = functools.partial(en.GradientBoostingClassifier, n_estimators=11, random_state=SEED)
wide_float = functools.partial(pp.FunctionTransformer, np.asarray, kw_args={"dtype": "float64"})
ordinal = functools.partial(pp.OrdinalEncoder, handle_unknown="use_encoded_value")
one_hot = functools.partial(pp.OneHotEncoder, sparse_output=False)


def spline(extrapolation: str, **facts: Any) -> Any:
    return pp.SplineTransformer(extrapolation=extrapolation, **facts)


def tempered(estimator: Any) -> Any:
    return CalibratedClassifierCV(estimator, method="temperature", cv=2)


def normal(quantiles: int) -> Any:
    return pp.QuantileTransformer(n_quantiles=quantiles, output_distribution="normal", random_state=SEED)


CASES: dict[str, list[Case]] = {
    "sklearn.Pipeline": [
        Case(lambda: make_pipeline(mixed(), lm.LogisticRegression()), "two", ALL, True, ROUNDED),
        Case(lambda: Pipeline([("a", None), ("b", "passthrough"), ("c", hist())]), "two", missing=True),
    ],
    "sklearn.ColumnTransformer": [
        Case(lambda: make_column_transformer((pp.StandardScaler(), ["y z"]), ("drop", ["x"]), remainder="passthrough")),
        Case(
            lambda: ColumnTransformer(
                [("a", pp.MinMaxScaler(), [1, 2]), ("b", "passthrough", ["count"])],
                remainder="drop",
                transformer_weights={"a": 0.3},
            )
        ),
        Case(
            lambda: make_column_transformer(
                (make_column_transformer((pp.MaxAbsScaler(), ["y z"]), remainder=pp.RobustScaler()), slice(0, 3)),
                remainder=pp.KBinsDiscretizer(3, encode="onehot-dense", strategy="uniform"),
            )
        ),
    ],
    "sklearn.FeatureUnion": [
        Case(
            lambda: FeatureUnion(
                [("a", pp.StandardScaler()), ("b", "passthrough"), ("c", "drop"), ("d", pp.MinMaxScaler())],
                transformer_weights={"d": 2.5},
            )
        )
    ],
    "sklearn.FrozenEstimator": [Case(lambda: FrozenEstimator(small_tree().fit(*_numbers())))],
    "sklearn.GridSearchCV": [Case(lambda: GridSearchCV(tree(), {"max_depth": [2, 3]}, cv=2), "two")],
    "sklearn.RandomizedSearchCV": [
        Case(lambda: RandomizedSearchCV(tree(), {"max_depth": [2, 3]}, n_iter=2, cv=2), "two")
    ],
    "sklearn.SelectKBest": [Case(lambda: SelectKBest(f_classif, k=2), "two")],
    "sklearn.VarianceThreshold": [Case(lambda: VarianceThreshold(1.2))],
    "sklearn.SimpleImputer": [
        Case(lambda: SimpleImputer(add_indicator=True), missing=True),
        Case(lambda: SimpleImputer(strategy="most_frequent"), missing=True),
        Case(lambda: SimpleImputer(strategy="constant", fill_value=-1.5, missing_values=3), missing=False),
        texts(
            lambda: make_pipeline(
                SimpleImputer(strategy="constant", fill_value="it's"), one_hot(handle_unknown="ignore")
            )
        ),
        texts(lambda: make_pipeline(SimpleImputer(strategy="most_frequent"), ordinal(unknown_value=-1))),
        Case(lambda: make_pipeline(ordinal(unknown_value=np.nan), SimpleImputer()), columns=TEXTS, missing=True),
    ],
    "sklearn.MissingIndicator": [Case(lambda: MissingIndicator(error_on_new=False), missing=True)],
    "sklearn.StandardScaler": [
        Case(pp.StandardScaler, missing=True),
        Case(lambda: pp.StandardScaler(with_mean=False)),
        Case(lambda: pp.StandardScaler(with_std=False)),
        texts(lambda: make_pipeline(ordinal(unknown_value=-1), pp.StandardScaler())),
    ],
    "sklearn.MinMaxScaler": [Case(pp.MinMaxScaler, missing=True), Case(lambda: pp.MinMaxScaler((-1, 3), clip=True))],
    "sklearn.RobustScaler": [
        Case(pp.RobustScaler, missing=True),
        Case(lambda: pp.RobustScaler(with_centering=False)),
        Case(lambda: pp.RobustScaler(with_scaling=False)),
    ],
    "sklearn.MaxAbsScaler": [Case(pp.MaxAbsScaler, missing=True)],
    "sklearn.Binarizer": [Case(lambda: pp.Binarizer(threshold=0.5))],
    "sklearn.PowerTransformer": [
        Case(pp.PowerTransformer, missing=True, tolerance=ROUNDED),
        Case(lambda: pp.PowerTransformer("box-cox", standardize=False), columns=('quoted "q"',), tolerance=ROUNDED),
    ],
    "sklearn.FunctionTransformer": [
        Case(wide_float, missing=True),
        Case(lambda: pp.FunctionTransformer(None)),
        *(
            Case(functools.partial(pp.FunctionTransformer, function), columns=('quoted "q"',), tolerance=ROUNDED)
            for function in (np.log1p, np.log, np.exp, np.sqrt, np.abs, np.square, np.negative)
        ),
    ],
    "sklearn.OneHotEncoder": [
        texts(lambda: one_hot(handle_unknown="ignore")),
        texts(lambda: one_hot(handle_unknown="error")),
        texts(lambda: one_hot(handle_unknown="ignore", drop="first")),
        texts(lambda: one_hot(handle_unknown="infrequent_if_exist", min_frequency=20)),
        texts(lambda: one_hot(handle_unknown="infrequent_if_exist", max_categories=4, drop="if_binary")),
        Case(lambda: one_hot(handle_unknown="ignore"), columns=("count",), missing=True),
    ],
    "sklearn.OrdinalEncoder": [
        texts(lambda: ordinal(unknown_value=np.nan, encoded_missing_value=np.nan)),
        texts(lambda: ordinal(unknown_value=-1, encoded_missing_value=-2)),
        texts(lambda: ordinal(unknown_value=99, min_frequency=20)),
        texts(lambda: pp.OrdinalEncoder(handle_unknown="error")),
        Case(lambda: ordinal(unknown_value=-1), columns=("count",), missing=True),
    ],
    "sklearn.TargetEncoder": [
        texts(lambda: pp.TargetEncoder(cv=KFold(3))),
        texts(lambda: pp.TargetEncoder(cv=KFold(3), target_type="binary", smooth=3.0), "two"),
        texts(lambda: pp.TargetEncoder(cv=KFold(3), target_type="multiclass"), "three"),
    ],
    "sklearn.KBinsDiscretizer": [
        Case(lambda: pp.KBinsDiscretizer(5, encode="ordinal", quantile_method="linear"), columns=("x", "y z")),
        Case(lambda: pp.KBinsDiscretizer(3, encode="onehot", strategy="uniform")),
        Case(lambda: pp.KBinsDiscretizer(3, encode="onehot-dense", strategy="kmeans", random_state=SEED)),
    ],
    "sklearn.PolynomialFeatures": [
        Case(lambda: pp.PolynomialFeatures(3)),
        Case(lambda: pp.PolynomialFeatures((2, 4), interaction_only=True, include_bias=False)),
    ],
    "sklearn.SplineTransformer": [
        Case(
            lambda: make_column_transformer(
                (pp.SplineTransformer(), ["x"]),
                (spline("linear", include_bias=False), ["y z"]),
                (spline("continue", degree=2), ['quoted "q"']),
                (spline("periodic"), ["count"]),
            )
        ),
        Case(lambda: pp.SplineTransformer(6, knots="quantile", sparse_output=True)),
        Case(lambda: spline("constant", knots="quantile", handle_missing="zeros"), missing=True),
        Case(lambda: spline("constant", degree=0, sparse_output=True, handle_missing="zeros"), missing=True),
        Case(lambda: spline("linear", knots="quantile", handle_missing="zeros"), missing=True),
        Case(lambda: spline("linear", degree=0)),
        Case(lambda: spline("linear", degree=1, sparse_output=True)),
        Case(lambda: spline("continue", degree=4, handle_missing="zeros"), missing=True),
        Case(lambda: spline("continue", degree=5, sparse_output=True), columns=('quoted "q"',)),
        Case(lambda: spline("error", degree=5, include_bias=False), columns=("y z", 'quoted "q"')),
        Case(lambda: spline("error", degree=0, handle_missing="zeros"), missing=True),
        Case(lambda: spline("periodic", degree=2, handle_missing="zeros"), missing=True),
        # As many functions as the degree: the first and the last one of scipy's are one.
        Case(lambda: spline("periodic", knots=np.array([[-1.5], [0.0], [0.3], [2.0]])), columns=("x",)),
        Case(lambda: make_pipeline(pp.Binarizer(threshold=1e9), spline("periodic"))),  # no feature has any extent
        Case(lambda: make_pipeline(spline("linear", knots="quantile"), tree()), "three"),
        Case(lambda: make_pipeline(spline("constant", handle_missing="zeros"), hist()), "two", missing=True),
    ],
    "sklearn.QuantileTransformer": [
        Case(lambda: pp.QuantileTransformer(n_quantiles=50, random_state=SEED), missing=True),
        Case(lambda: normal(50), missing=True),
        Case(lambda: normal(300)),
    ],
    "sklearn.LinearRegression": [linear(lm.LinearRegression), linear(lm.LinearRegression, "numbers")],
    "sklearn.Ridge": [linear(lm.Ridge)],
    "sklearn.RidgeCV": [linear(lm.RidgeCV)],
    "sklearn.Lasso": [linear(lambda: lm.Lasso(alpha=0.01))],
    "sklearn.LassoCV": [linear(lambda: lm.LassoCV(cv=2))],
    "sklearn.ElasticNet": [linear(lambda: lm.ElasticNet(alpha=0.01))],
    "sklearn.ElasticNetCV": [linear(lambda: lm.ElasticNetCV(cv=2))],
    "sklearn.Lars": [linear(lm.Lars)],
    "sklearn.LassoLars": [linear(lambda: lm.LassoLars(alpha=0.01))],
    "sklearn.BayesianRidge": [linear(lm.BayesianRidge)],
    "sklearn.ARDRegression": [linear(lm.ARDRegression)],
    "sklearn.HuberRegressor": [linear(lm.HuberRegressor)],
    "sklearn.QuantileRegressor": [linear(lambda: lm.QuantileRegressor(alpha=0.01))],
    "sklearn.TheilSenRegressor": [linear(lambda: lm.TheilSenRegressor(random_state=SEED, max_subpopulation=50))],
    "sklearn.OrthogonalMatchingPursuit": [linear(lm.OrthogonalMatchingPursuit)],
    "sklearn.SGDRegressor": [linear(lambda: lm.SGDRegressor(random_state=SEED))],
    "sklearn.LinearSVR": [linear(lambda: LinearSVR(random_state=SEED))],
    "sklearn.MultiTaskLasso": [linear(lambda: lm.MultiTaskLasso(alpha=0.01), "numbers")],
    "sklearn.MultiTaskElasticNet": [linear(lambda: lm.MultiTaskElasticNet(alpha=0.01), "numbers")],
    "sklearn.RANSACRegressor": [linear(lambda: lm.RANSACRegressor(random_state=SEED))],
    "sklearn.PoissonRegressor": [linear(lm.PoissonRegressor, "positive")],
    "sklearn.GammaRegressor": [linear(lm.GammaRegressor, "positive")],
    "sklearn.TweedieRegressor": [
        linear(lambda: lm.TweedieRegressor(power=1.5), "positive"),
        linear(lambda: lm.TweedieRegressor(power=0)),
    ],
    "sklearn.LinearSVC": [linear(LinearSVC, "two"), linear(LinearSVC, "three")],
    "sklearn.RidgeClassifier": [linear(lm.RidgeClassifier, "two"), linear(lm.RidgeClassifier, "three")],
    "sklearn.RidgeClassifierCV": [linear(lm.RidgeClassifierCV, "three")],
    "sklearn.Perceptron": [linear(lambda: lm.Perceptron(random_state=SEED), "two")],
    "sklearn.LogisticRegression": [
        linear(lm.LogisticRegression, "two"),
        linear(lm.LogisticRegression, "three"),
        Case(lambda: make_pipeline(mixed(), lm.LogisticRegression()), "two", ALL, True, ROUNDED),
    ],
    "sklearn.LogisticRegressionCV": [
        linear(lambda: lm.LogisticRegressionCV(cv=2, Cs=2, l1_ratios=(0,), use_legacy_attributes=False), "two")
    ],
    "sklearn.LinearDiscriminantAnalysis": [
        linear(LinearDiscriminantAnalysis, "two"),
        linear(LinearDiscriminantAnalysis, "three"),
    ],
    "sklearn.SGDClassifier": [
        linear(lambda: lm.SGDClassifier(loss="log_loss", random_state=SEED), "two"),
        linear(lambda: lm.SGDClassifier(loss="log_loss", random_state=SEED), "three"),
        linear(lambda: lm.SGDClassifier(random_state=SEED), "three"),
    ],
    "sklearn.GaussianNB": [
        Case(GaussianNB, "two", ("x", "count"), tolerance=ROUNDED),
        Case(GaussianNB, "three", ("x", "count"), tolerance=ROUNDED),
    ],
    "sklearn.DummyClassifier": [
        Case(lambda: DummyClassifier(strategy="prior"), "three"),
        Case(lambda: DummyClassifier(strategy="most_frequent"), "two"),
        Case(lambda: DummyClassifier(strategy="constant", constant="low"), "three"),
    ],
    "sklearn.DummyRegressor": [
        Case(DummyRegressor),
        Case(lambda: DummyRegressor(strategy="median"), "numbers"),
    ],
    "sklearn.DecisionTreeRegressor": [
        Case(tr.DecisionTreeRegressor, missing=True),
        Case(lambda: small_tree(), "numbers"),
        Case(lambda: tr.DecisionTreeRegressor(max_leaf_nodes=2)),
    ],
    "sklearn.DecisionTreeClassifier": [
        Case(tree, "two", missing=True),
        Case(tr.DecisionTreeClassifier, "three"),
        Case(tree, "pairs"),
        Case(lambda: make_pipeline(coded(), tree()), "three", ALL, True),
        Case(lambda: make_pipeline(pp.OneHotEncoder(handle_unknown="ignore"), tree()), "two", TEXTS, True),
    ],
    "sklearn.ExtraTreeRegressor": [Case(lambda: tr.ExtraTreeRegressor(max_depth=5, random_state=SEED), missing=True)],
    "sklearn.ExtraTreeClassifier": [Case(lambda: tr.ExtraTreeClassifier(max_depth=5, random_state=SEED), "three")],
    "sklearn.RandomForestRegressor": [
        Case(lambda: en.RandomForestRegressor(23, max_depth=4, random_state=SEED), missing=True),
        Case(lambda: en.RandomForestRegressor(3, max_depth=4, random_state=SEED), "numbers"),
    ],
    "sklearn.RandomForestClassifier": [
        Case(forest, "two"),
        Case(forest, "two", missing=True),
        Case(forest, "three", missing=True),
        Case(forest, "pairs"),
        Case(lambda: make_pipeline(coded(), forest()), "two", ALL, True),
    ],
    "sklearn.ExtraTreesRegressor": [
        Case(lambda: en.ExtraTreesRegressor(5, max_depth=5, random_state=SEED), missing=True)
    ],
    "sklearn.ExtraTreesClassifier": [
        Case(lambda: en.ExtraTreesClassifier(5, max_depth=5, random_state=SEED), "three", missing=True)
    ],
    "sklearn.HistGradientBoostingRegressor": [
        Case(hist_number, missing=True),
        Case(lambda: hist_number(loss="poisson"), "positive", tolerance=ROUNDED),
        Case(lambda: hist_number(loss="quantile", quantile=0.7)),
    ],
    "sklearn.HistGradientBoostingClassifier": [
        Case(hist, "two"),
        Case(hist, "two", missing=True),
        Case(hist, "three", missing=True, tolerance=ROUNDED),
        Case(lambda: make_pipeline(coded(), hist(categorical_features=[4, 5])), "two", ALL, True),
        Case(lambda: hist(categorical_features=["city", "Straße"]), "two", ALL, True),
        Case(lambda: hist(categorical_features=["count"], max_iter=5), "two", missing=True),
    ],
    "sklearn.GradientBoostingRegressor": [
        Case(lambda: en.GradientBoostingRegressor(n_estimators=25, random_state=SEED)),
        Case(lambda: en.GradientBoostingRegressor(n_estimators=5, loss="huber", init="zero", random_state=SEED)),
    ],
    "sklearn.GradientBoostingClassifier": [
        Case(boosted, "two"),
        Case(boosted, "three", tolerance=ROUNDED),
        Case(lambda: boosted(loss="exponential"), "two"),
    ],
    "sklearn.AdaBoostClassifier": [
        Case(lambda: en.AdaBoostClassifier(n_estimators=8, random_state=SEED), "two", tolerance=ROUNDED),
        Case(lambda: en.AdaBoostClassifier(tree(), n_estimators=8, random_state=SEED), "three", tolerance=ROUNDED),
        Case(lambda: en.AdaBoostClassifier(GaussianNB(), n_estimators=5), "two", ("x", "count"), tolerance=ROUNDED),
        Case(lambda: en.AdaBoostClassifier(forest(), n_estimators=3, random_state=SEED), "three", tolerance=ROUNDED),
    ],
    "sklearn.AdaBoostRegressor": [
        Case(lambda: en.AdaBoostRegressor(n_estimators=20, random_state=SEED)),
        Case(lambda: en.AdaBoostRegressor(tr.ExtraTreeRegressor(max_depth=7), n_estimators=50, random_state=SEED)),
        Case(lambda: en.AdaBoostRegressor(small_tree(), n_estimators=1, random_state=SEED)),
        Case(lambda: en.AdaBoostRegressor(hist_number(max_iter=3), n_estimators=7, random_state=SEED)),
    ],
    "sklearn.IsolationForest": [
        Case(lambda: en.IsolationForest(n_estimators=12, random_state=SEED), tolerance=ROUNDED),
        Case(
            lambda: en.IsolationForest(n_estimators=5, max_features=2, contamination=0.1, random_state=SEED),
            tolerance=ROUNDED,
        ),
    ],
    "sklearn.VotingClassifier": [
        Case(lambda: en.VotingClassifier([("a", tree()), ("b", forest())], voting="soft"), "three"),
        Case(lambda: en.VotingClassifier([("a", tree()), ("b", forest())], voting="soft", weights=[0.3, 2]), "two"),
        Case(lambda: en.VotingClassifier([("a", tree()), ("b", forest()), ("c", GaussianNB())]), "three"),
    ],
    "sklearn.VotingRegressor": [
        Case(lambda: en.VotingRegressor([("a", small_tree()), ("b", DummyRegressor())])),
        Case(lambda: en.VotingRegressor([("a", small_tree()), ("b", DummyRegressor())], weights=[0.3, 2])),
    ],
    "sklearn.StackingClassifier": [
        Case(
            lambda: en.StackingClassifier([("a", tree()), ("b", LinearSVC())], lm.LogisticRegression(), cv=2),
            "three",
            tolerance=ROUNDED,
        ),
        Case(
            lambda: en.StackingClassifier([("a", tree()), ("b", forest())], tree(), cv=2, passthrough=True),
            "two",
        ),
        Case(
            lambda: en.StackingClassifier([("a", tree()), ("b", forest())], tree(), cv=2, stack_method="predict"),
            "three",
        ),
    ],
    "sklearn.StackingRegressor": [
        Case(lambda: en.StackingRegressor([("a", small_tree()), ("b", DummyRegressor())], small_tree(), cv=2))
    ],
    "sklearn.CalibratedClassifierCV": [
        Case(lambda: CalibratedClassifierCV(hist(max_iter=3), cv=2), "two", missing=True),
        Case(lambda: CalibratedClassifierCV(forest(), method="isotonic", cv=2), "two"),
        Case(lambda: CalibratedClassifierCV(forest(), method="isotonic", cv=2), "three", tolerance=ROUNDED),
        Case(lambda: CalibratedClassifierCV(tree(), cv=2, ensemble=False), "three", tolerance=ROUNDED),
        Case(lambda: tempered(hist(max_iter=3)), "two", missing=True, tolerance=ROUNDED),
        Case(lambda: tempered(hist(max_iter=3)), "three", missing=True, tolerance=ROUNDED),
        Case(lambda: tempered(forest()), "two", tolerance=ROUNDED),
        Case(lambda: tempered(forest()), "three", tolerance=ROUNDED),
    ],
    **BOOSTED,
    **WRAPPED,
}


def _numbers() -> tuple[pd.DataFrame, Any]:
    frame = rows_to_fit(missing=False)
    return frame[list(NUMBERS)], targets(frame, "number")


REFUSED: dict[str, Callable[[], Any]] = {
    "sklearn.neighbors._classification.KNeighborsClassifier cannot be compiled": KNeighborsClassifier,
    "SVC(kernel='rbf')": SVC,
    "TransformedTargetRegressor(transformer=QuantileTransformer)": lambda: TransformedTargetRegressor(
        small_tree(), transformer=pp.QuantileTransformer(n_quantiles=9)
    ),
    "SplineTransformer(extrapolation='error', handle_missing='zeros', sparse_output=True)": lambda: make_pipeline(
        spline("error", handle_missing="zeros", sparse_output=True), tree()
    ),
    "FunctionTransformer(func=sin": lambda: make_pipeline(pp.FunctionTransformer(np.sin), tree()),
    "FunctionTransformer(func=asarray, kw_args={'dtype': 'float32'})": lambda: make_pipeline(
        pp.FunctionTransformer(np.asarray, kw_args={"dtype": "float32"}), tree()
    ),
    "OrdinalEncoder(dtype=float32)": lambda: make_pipeline(pp.OrdinalEncoder(dtype=np.float32), tree()),
    "SGDClassifier(loss='modified_huber')": lambda: lm.SGDClassifier(loss="modified_huber"),
    "DummyClassifier(strategy='uniform')": lambda: DummyClassifier(strategy="uniform"),
    "AdaBoostRegressor over 101 trees": lambda: en.AdaBoostRegressor(
        small_tree(), n_estimators=101, learning_rate=0.01, random_state=SEED
    ),
    "GradientBoostingClassifier(init=LogisticRegression)": lambda: boosted(init=lm.LogisticRegression()),
}
IDS = [(name, index) for name, cases in CASES.items() for index in range(len(cases))]
