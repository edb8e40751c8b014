"""The cases of estimators around others, of projections, perceptrons and counts."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from compile_case import ROUNDED, SEED, Case
from compiled import NUMBERS, TEXTS
from sklearn import ensemble as en
from sklearn import feature_selection as fs
from sklearn import linear_model as lm
from sklearn import multioutput as mo
from sklearn import naive_bayes as nb
from sklearn import preprocessing as pp
from sklearn import svm
from sklearn import tree as tr
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 (it makes the next names)
from sklearn.model_selection import (
    FixedThresholdClassifier,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from xgboost import XGBRFClassifier, XGBRFRegressor

tree = functools.partial(tr.DecisionTreeClassifier, max_depth=4, random_state=SEED)
small_tree = functools.partial(tr.DecisionTreeRegressor, max_depth=3, random_state=SEED)
forest = functools.partial(en.RandomForestClassifier, n_estimators=5, max_depth=4, random_state=SEED)
CLOSE = 1e-10


def scaled(make: Any, target: str = "number", tolerance: float = ROUNDED) -> Case:
    return Case(lambda: make_pipeline(pp.StandardScaler(), make()), target, tolerance=tolerance)


def rounded(make: Any, target: str = "number", columns: tuple[str, ...] = NUMBERS, tolerance: float = ROUNDED) -> Case:
    return Case(make, target, columns, tolerance=tolerance)


def chosen(selector: Any, target: str = "two") -> Case:
    return Case(lambda: make_pipeline(selector(), tree()), target)


def counted(make: Any, target: str = "three") -> Case:
    """Naive Bayes over counts: codes of texts, and whole numbers."""
    codes = pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=99, encoded_missing_value=50)
    columns = make_column_transformer((codes, list(TEXTS)), ("passthrough", ["count"]))
    return Case(lambda: make_pipeline(columns, make()), target, (*TEXTS, "count"), tolerance=CLOSE)


def network(make: Any, target: str, **facts: Any) -> Case:
    facts = {"hidden_layer_sizes": (5, 4), "max_iter": 15, "random_state": SEED, **facts}
    return scaled(lambda: make(**facts), target, 1e-9)


def turned(**facts: Any) -> Any:
    return lambda: TransformedTargetRegressor(small_tree(), **facts)


def rest(make: Any, target: str, tolerance: float = ROUNDED) -> Case:
    return scaled(lambda: OneVsRestClassifier(make()), target, tolerance)


def limit(**facts: Any) -> Any:
    return lambda: FixedThresholdClassifier(tree(), **facts)


WRAPPED: dict[str, list[Case]] = {
    "sklearn.HalvingGridSearchCV": [
        Case(lambda: HalvingGridSearchCV(tree(), {"max_depth": [2, 3]}, cv=2, random_state=SEED), "two")
    ],
    "sklearn.HalvingRandomSearchCV": [
        Case(lambda: HalvingRandomSearchCV(tree(), {"max_depth": [2, 3]}, cv=2, random_state=SEED), "two")
    ],
    "sklearn.SelectPercentile": [chosen(lambda: fs.SelectPercentile(fs.f_classif, percentile=50))],
    "sklearn.SelectFpr": [chosen(fs.SelectFpr)],
    "sklearn.SelectFdr": [chosen(fs.SelectFdr)],
    "sklearn.SelectFwe": [chosen(fs.SelectFwe)],
    "sklearn.GenericUnivariateSelect": [chosen(lambda: fs.GenericUnivariateSelect(mode="k_best", param=2))],
    "sklearn.SelectFromModel": [
        chosen(lambda: fs.SelectFromModel(forest())),
        Case(lambda: make_pipeline(fs.SelectFromModel(forest()), tree()), "two", missing=True),
    ],
    "sklearn.SequentialFeatureSelector": [
        chosen(lambda: fs.SequentialFeatureSelector(tree(), n_features_to_select=2, cv=2))
    ],
    "sklearn.RFE": [chosen(lambda: fs.RFE(tree(), n_features_to_select=2))],
    "sklearn.RFECV": [chosen(lambda: fs.RFECV(tree(), cv=2))],
    "sklearn.PCA": [
        rounded(lambda: make_pipeline(pp.StandardScaler(), PCA(3)), tolerance=CLOSE),
        rounded(lambda: make_pipeline(pp.StandardScaler(), PCA(2, whiten=True)), tolerance=CLOSE),
        rounded(lambda: make_pipeline(pp.StandardScaler(), PCA(), lm.LogisticRegression()), "three", tolerance=CLOSE),
    ],
    "sklearn.IncrementalPCA": [rounded(lambda: make_pipeline(pp.StandardScaler(), IncrementalPCA(2)), tolerance=CLOSE)],
    "sklearn.TruncatedSVD": [
        rounded(lambda: TruncatedSVD(2, random_state=SEED), tolerance=CLOSE),
        Case(
            lambda: make_pipeline(pp.OneHotEncoder(handle_unknown="ignore"), TruncatedSVD(3, random_state=SEED)),
            columns=("city",), missing=True, tolerance=CLOSE,
        ),
    ],
    "sklearn.Normalizer": [rounded(lambda norm=norm: pp.Normalizer(norm)) for norm in ("l1", "l2", "max")],
    "sklearn.LarsCV": [scaled(lambda: lm.LarsCV(cv=2))],
    "sklearn.LassoLarsCV": [scaled(lambda: lm.LassoLarsCV(cv=2))],
    "sklearn.LassoLarsIC": [scaled(lm.LassoLarsIC)],
    "sklearn.OrthogonalMatchingPursuitCV": [scaled(lambda: lm.OrthogonalMatchingPursuitCV(cv=2))],
    "sklearn.MultiTaskLassoCV": [scaled(lambda: lm.MultiTaskLassoCV(cv=2), "numbers")],
    "sklearn.MultiTaskElasticNetCV": [scaled(lambda: lm.MultiTaskElasticNetCV(cv=2), "numbers")],
    "sklearn.SVR": [scaled(lambda: svm.SVR(kernel="linear"), tolerance=CLOSE)],
    "sklearn.NuSVR": [scaled(lambda: svm.NuSVR(kernel="linear"), tolerance=CLOSE)],
    "sklearn.SVC": [scaled(lambda: svm.SVC(kernel="linear"), "two", CLOSE)],
    "sklearn.NuSVC": [scaled(lambda: svm.NuSVC(kernel="linear", nu=0.3), "two", CLOSE)],
    "sklearn.BernoulliNB": [
        rounded(nb.BernoulliNB, "three"),
        rounded(lambda: make_pipeline(pp.Binarizer(), nb.BernoulliNB(binarize=None)), "two"),
    ],
    "sklearn.MultinomialNB": [rounded(nb.MultinomialNB, "three", ('quoted "q"', "count"), CLOSE)],
    "sklearn.ComplementNB": [rounded(nb.ComplementNB, "three", ('quoted "q"', "count"), CLOSE)],
    "sklearn.CategoricalNB": [
        rounded(lambda: nb.CategoricalNB(min_categories=4), "three", ("count",)), counted(nb.CategoricalNB),
    ],
    "sklearn.BaggingRegressor": [
        Case(lambda: en.BaggingRegressor(small_tree(), 25, random_state=SEED), missing=True),
        scaled(lambda: en.BaggingRegressor(lm.Ridge(), 4, max_features=2, random_state=SEED)),
    ],
    "sklearn.BaggingClassifier": [
        Case(lambda: en.BaggingClassifier(tree(), 5, max_features=0.6, random_state=SEED), "three", missing=True),
        scaled(lambda: en.BaggingClassifier(lm.LogisticRegression(), 4, random_state=SEED), "two"),
        scaled(lambda: en.BaggingClassifier(svm.LinearSVC(), 5, random_state=SEED), "three"),
        Case(lambda: en.BaggingClassifier(tree(), 6, max_samples=3, random_state=SEED), "three"),
    ],
    "sklearn.TransformedTargetRegressor": [
        rounded(turned(func=np.log, inverse_func=np.exp), "positive"),
        rounded(turned(func=np.log1p, inverse_func=np.expm1, check_inverse=False), "positive"),
        *(rounded(turned(transformer=each)) for each in (pp.StandardScaler(), pp.MinMaxScaler(), pp.RobustScaler())),
        Case(lambda: TransformedTargetRegressor(lm.LinearRegression(), transformer=pp.StandardScaler()), "numbers",
             tolerance=CLOSE),
        scaled(lambda: TransformedTargetRegressor(lm.Ridge(), func=np.log, inverse_func=np.exp), "positive", CLOSE),
    ],
    "sklearn.FixedThresholdClassifier": [
        Case(limit(threshold=0.3), "two"), Case(limit(threshold=0.8, pos_label=False), "two"),
        scaled(lambda: FixedThresholdClassifier(lm.LogisticRegression(), response_method="decision_function"), "two"),
        scaled(lambda: FixedThresholdClassifier(lm.RidgeClassifier(), threshold=-0.2, pos_label=False), "two"),
    ],
    "sklearn.TunedThresholdClassifierCV": [Case(lambda: TunedThresholdClassifierCV(tree(), cv=2), "two")],
    "sklearn.OneVsRestClassifier": [
        rest(lm.LogisticRegression, "three"), rest(lm.LogisticRegression, "two"), rest(svm.LinearSVC, "three"),
        rest(lm.LogisticRegression, "labels"), rest(svm.LinearSVC, "labels"), rest(tree, "labels"),
        Case(lambda: OneVsRestClassifier(tree()), "three"), Case(lambda: OneVsRestClassifier(forest()), "codes"),
        scaled(lambda: OneVsRestClassifier(lm.LinearRegression()), "three"),
    ],
    "sklearn.MultiOutputRegressor": [
        Case(lambda: mo.MultiOutputRegressor(en.GradientBoostingRegressor(n_estimators=3)), "numbers")
    ],
    "sklearn.MultiOutputClassifier": [
        Case(lambda: mo.MultiOutputClassifier(tree()), "pairs"),
        scaled(lambda: mo.MultiOutputClassifier(lm.LogisticRegression()), "labels"),
    ],
    "sklearn.RegressorChain": [Case(lambda: mo.RegressorChain(small_tree(), order=[1, 0]), "numbers")],
    "sklearn.ClassifierChain": [
        scaled(lambda: mo.ClassifierChain(lm.LogisticRegression(), order=[2, 0, 1]), "labels"),
        scaled(lambda: mo.ClassifierChain(lm.LogisticRegression(), chain_method="predict_proba"), "labels"),
        rounded(lambda: mo.ClassifierChain(tree()), "labels"),
    ],
    "sklearn.MLPRegressor": [
        network(MLPRegressor, "number"), network(MLPRegressor, "numbers", activation="tanh"),
        network(MLPRegressor, "number", activation="identity", hidden_layer_sizes=(3,)),
    ],
    "sklearn.MLPClassifier": [
        network(MLPClassifier, "two"), network(MLPClassifier, "three", activation="logistic"),
        network(MLPClassifier, "labels", activation="tanh"),
    ],
    "xgboost.XGBRFClassifier": [
        Case(lambda: XGBRFClassifier(n_estimators=6, max_depth=3, n_jobs=1, random_state=SEED), "two", missing=True),
        Case(lambda: XGBRFClassifier(n_estimators=4, max_depth=3, n_jobs=1, random_state=SEED), "codes"),
    ],
    "xgboost.XGBRFRegressor": [
        Case(lambda: XGBRFRegressor(n_estimators=6, max_depth=3, n_jobs=1, random_state=SEED), missing=True)
    ],
}  # fmt: skip
