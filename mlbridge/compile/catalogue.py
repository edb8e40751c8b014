"""What can be translated: one literal table. A new estimator is one function and one row (and its parity test)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sklearn.pipeline import Pipeline

from mlbridge.compile.checks import check_inputs, check_outputs
from mlbridge.compile.estimators import (
    bagging,
    catboost,
    composition,
    ensembles,
    forests,
    gradient_boosting,
    lightgbm,
    linear,
    naive_bayes,
    neural,
    simple,
    voting_trees,
    wrappers,
    xgboost,
)
from mlbridge.compile.sql.columns import Table
from mlbridge.compile.sql.outcomes import Outcome
from mlbridge.compile.transformers import encoders, expanding, imputing, preprocessing, projections, splines
from mlbridge.errors import CompileError, listed, nearest

EXACT: Final = "bit for bit"
ROUNDED: Final = "relative 1e-12"
AS_PARTS: Final = "as its parts"
DECISION: Final = "no probabilities: gives `decision`"
LINEAR_KERNEL: Final = '`kernel="linear"`'
SOFTMAX: Final = "probabilities of more than two classes: relative 1e-12 (numpy's `exp` is not the C library's)"
SINGLES: Final = "where the engine has floats of 32 bits; else, and where `expf` is not glibc's, 1e-6"


@dataclass(frozen=True)
class Covered:
    """A translator, what it guarantees, and a remark; a `composite` one is also given the means to translate parts."""

    translate: Callable[..., Table | Outcome]
    guarantee: str
    remark: str = ""
    composite: bool = False


COVERED: Final[dict[str, Covered]] = {
    "sklearn.Pipeline": Covered(composition.pipeline, AS_PARTS, composite=True),
    "sklearn.ColumnTransformer": Covered(composition.column_transformer, AS_PARTS, composite=True),
    "sklearn.FeatureUnion": Covered(composition.feature_union, AS_PARTS, composite=True),
    "sklearn.FrozenEstimator": Covered(composition.frozen, AS_PARTS, composite=True),
    "sklearn.GridSearchCV": Covered(composition.chosen_estimator, AS_PARTS, "the best estimator", composite=True),
    "sklearn.RandomizedSearchCV": Covered(composition.chosen_estimator, AS_PARTS, "the best estimator", composite=True),
    "sklearn.HalvingGridSearchCV": Covered(
        composition.chosen_estimator, AS_PARTS, "the best estimator", composite=True
    ),
    "sklearn.HalvingRandomSearchCV": Covered(
        composition.chosen_estimator, AS_PARTS, "the best estimator", composite=True
    ),
    "sklearn.SelectKBest": Covered(composition.selector, EXACT),
    "sklearn.SelectPercentile": Covered(composition.selector, EXACT),
    "sklearn.SelectFpr": Covered(composition.selector, EXACT),
    "sklearn.SelectFdr": Covered(composition.selector, EXACT),
    "sklearn.SelectFwe": Covered(composition.selector, EXACT),
    "sklearn.GenericUnivariateSelect": Covered(composition.selector, EXACT),
    "sklearn.VarianceThreshold": Covered(composition.selector, EXACT),
    "sklearn.SelectFromModel": Covered(composition.selector, EXACT),
    "sklearn.SequentialFeatureSelector": Covered(composition.selector, EXACT),
    "sklearn.RFE": Covered(composition.selector, EXACT, "as a transformer"),
    "sklearn.RFECV": Covered(composition.selector, EXACT, "as a transformer"),
    "sklearn.SimpleImputer": Covered(imputing.simple_imputer, EXACT, "`missing_values`: NaN, None or a number"),
    "sklearn.MissingIndicator": Covered(imputing.missing_indicator, EXACT, "`missing_values`: NaN, None or a number"),
    "sklearn.StandardScaler": Covered(preprocessing.standard_scaler, EXACT),
    "sklearn.MinMaxScaler": Covered(preprocessing.min_max_scaler, EXACT),
    "sklearn.RobustScaler": Covered(preprocessing.robust_scaler, EXACT),
    "sklearn.MaxAbsScaler": Covered(preprocessing.max_abs_scaler, EXACT),
    "sklearn.Binarizer": Covered(preprocessing.binarizer, EXACT),
    "sklearn.PowerTransformer": Covered(preprocessing.power_transformer, ROUNDED),
    "sklearn.FunctionTransformer": Covered(
        preprocessing.function_transformer,
        ROUNDED,
        "`func`: None, or numpy's asarray, clip, nan_to_num, abs, square, sqrt, exp, expm1, log, log1p, log2, log10, "
        "negative; not of a sparse matrix",
    ),
    "sklearn.OneHotEncoder": Covered(encoders.encoder, EXACT, "`dtype`: float64 or whole numbers"),
    "sklearn.OrdinalEncoder": Covered(encoders.encoder, EXACT, "`dtype`: float64 or whole numbers"),
    "sklearn.TargetEncoder": Covered(encoders.encoder, EXACT),
    "sklearn.PCA": Covered(projections.principal_components, ROUNDED),
    "sklearn.IncrementalPCA": Covered(projections.principal_components, ROUNDED),
    "sklearn.TruncatedSVD": Covered(projections.singular_vectors, ROUNDED),
    "sklearn.Normalizer": Covered(projections.normalizer, ROUNDED),
    "sklearn.KBinsDiscretizer": Covered(expanding.k_bins_discretizer, EXACT),
    "sklearn.PolynomialFeatures": Covered(expanding.polynomial_features, EXACT),
    "sklearn.SplineTransformer": Covered(
        splines.spline_transformer,
        EXACT,
        '`handle_missing="zeros"` and `sparse_output=True`: `extrapolation` constant or linear only',
    ),
    "sklearn.QuantileTransformer": Covered(expanding.quantile_transformer, EXACT),
    "sklearn.LinearRegression": Covered(linear.linear_regression, ROUNDED),
    "sklearn.Ridge": Covered(linear.linear_regression, ROUNDED),
    "sklearn.RidgeCV": Covered(linear.linear_regression, ROUNDED),
    "sklearn.Lasso": Covered(linear.linear_regression, ROUNDED),
    "sklearn.LassoCV": Covered(linear.linear_regression, ROUNDED),
    "sklearn.ElasticNet": Covered(linear.linear_regression, ROUNDED),
    "sklearn.ElasticNetCV": Covered(linear.linear_regression, ROUNDED),
    "sklearn.Lars": Covered(linear.linear_regression, ROUNDED),
    "sklearn.LarsCV": Covered(linear.linear_regression, ROUNDED),
    "sklearn.LassoLars": Covered(linear.linear_regression, ROUNDED),
    "sklearn.LassoLarsCV": Covered(linear.linear_regression, ROUNDED),
    "sklearn.LassoLarsIC": Covered(linear.linear_regression, ROUNDED),
    "sklearn.BayesianRidge": Covered(linear.linear_regression, ROUNDED),
    "sklearn.ARDRegression": Covered(linear.linear_regression, ROUNDED),
    "sklearn.HuberRegressor": Covered(linear.linear_regression, ROUNDED),
    "sklearn.QuantileRegressor": Covered(linear.linear_regression, ROUNDED),
    "sklearn.TheilSenRegressor": Covered(linear.linear_regression, ROUNDED),
    "sklearn.OrthogonalMatchingPursuit": Covered(linear.linear_regression, ROUNDED),
    "sklearn.OrthogonalMatchingPursuitCV": Covered(linear.linear_regression, ROUNDED),
    "sklearn.SGDRegressor": Covered(linear.linear_regression, ROUNDED),
    "sklearn.LinearSVR": Covered(linear.linear_regression, ROUNDED),
    "sklearn.MultiTaskLasso": Covered(linear.linear_regression, ROUNDED),
    "sklearn.MultiTaskElasticNet": Covered(linear.linear_regression, ROUNDED),
    "sklearn.MultiTaskLassoCV": Covered(linear.linear_regression, ROUNDED),
    "sklearn.MultiTaskElasticNetCV": Covered(linear.linear_regression, ROUNDED),
    "sklearn.SVR": Covered(linear.support_vector_regression, ROUNDED, LINEAR_KERNEL),
    "sklearn.NuSVR": Covered(linear.support_vector_regression, ROUNDED, LINEAR_KERNEL),
    "sklearn.SVC": Covered(linear.support_vector_classifier, ROUNDED, f"{LINEAR_KERNEL}, two classes; {DECISION}"),
    "sklearn.NuSVC": Covered(linear.support_vector_classifier, ROUNDED, f"{LINEAR_KERNEL}, two classes; {DECISION}"),
    "sklearn.LinearSVC": Covered(linear.linear_classifier, ROUNDED, DECISION),
    "sklearn.RidgeClassifier": Covered(linear.ridge_classifier, ROUNDED, DECISION),
    "sklearn.RidgeClassifierCV": Covered(linear.ridge_classifier, ROUNDED, DECISION),
    "sklearn.Perceptron": Covered(linear.linear_classifier, ROUNDED, DECISION),
    "sklearn.RANSACRegressor": Covered(linear.robust_regression, ROUNDED, composite=True),
    "sklearn.PoissonRegressor": Covered(linear.generalized_regression, ROUNDED),
    "sklearn.GammaRegressor": Covered(linear.generalized_regression, ROUNDED),
    "sklearn.TweedieRegressor": Covered(linear.generalized_regression, ROUNDED),
    "sklearn.LogisticRegression": Covered(linear.logistic_regression, ROUNDED),
    "sklearn.LogisticRegressionCV": Covered(linear.logistic_regression, ROUNDED),
    "sklearn.LinearDiscriminantAnalysis": Covered(linear.discriminant, ROUNDED),
    "sklearn.SGDClassifier": Covered(
        linear.sgd_classifier, ROUNDED, 'probabilities with `loss="log_loss"`; not `modified_huber`'
    ),
    "sklearn.GaussianNB": Covered(naive_bayes.gaussian, ROUNDED),
    "sklearn.BernoulliNB": Covered(naive_bayes.bernoulli, ROUNDED),
    "sklearn.MultinomialNB": Covered(naive_bayes.multinomial, ROUNDED),
    "sklearn.ComplementNB": Covered(naive_bayes.multinomial, ROUNDED),
    "sklearn.CategoricalNB": Covered(naive_bayes.categorical, ROUNDED),
    "sklearn.DummyClassifier": Covered(simple.dummy_classifier, EXACT, "not the random strategies"),
    "sklearn.DummyRegressor": Covered(simple.dummy_regressor, EXACT),
    "sklearn.DecisionTreeRegressor": Covered(forests.decision_tree_regressor, EXACT),
    "sklearn.DecisionTreeClassifier": Covered(forests.decision_tree_classifier, EXACT),
    "sklearn.RandomForestRegressor": Covered(forests.forest_regressor, EXACT),
    "sklearn.RandomForestClassifier": Covered(forests.forest_classifier, EXACT),
    "sklearn.ExtraTreeRegressor": Covered(forests.decision_tree_regressor, EXACT),
    "sklearn.ExtraTreeClassifier": Covered(forests.decision_tree_classifier, EXACT),
    "sklearn.ExtraTreesRegressor": Covered(forests.forest_regressor, EXACT),
    "sklearn.ExtraTreesClassifier": Covered(forests.forest_classifier, EXACT),
    "sklearn.HistGradientBoostingRegressor": Covered(
        gradient_boosting.hist_regressor, EXACT, "losses with a log link: relative 1e-12", composite=True
    ),
    "sklearn.HistGradientBoostingClassifier": Covered(
        gradient_boosting.hist_classifier, EXACT, SOFTMAX, composite=True
    ),
    "sklearn.GradientBoostingRegressor": Covered(gradient_boosting.gradient_boosting_regressor, EXACT),
    "sklearn.GradientBoostingClassifier": Covered(gradient_boosting.gradient_boosting_classifier, EXACT, SOFTMAX),
    "sklearn.AdaBoostClassifier": Covered(voting_trees.adaboost_classifier, ROUNDED, composite=True),
    "sklearn.AdaBoostRegressor": Covered(
        voting_trees.adaboost_regressor,
        EXACT,
        "up to 100 decision trees; up to 50 other regressors, which decide how exact it is",
        composite=True,
    ),
    "sklearn.IsolationForest": Covered(voting_trees.isolation_forest, ROUNDED, "gives -1 or 1, and `decision`"),
    "sklearn.BaggingRegressor": Covered(bagging.bagging_regressor, AS_PARTS, composite=True),
    "sklearn.BaggingClassifier": Covered(bagging.bagging_classifier, AS_PARTS, composite=True),
    "sklearn.VotingClassifier": Covered(
        ensembles.voting_classifier, AS_PARTS, "a hard vote gives no probabilities", composite=True
    ),
    "sklearn.VotingRegressor": Covered(ensembles.voting_regressor, AS_PARTS, composite=True),
    "sklearn.StackingClassifier": Covered(ensembles.stacking, AS_PARTS, composite=True),
    "sklearn.StackingRegressor": Covered(ensembles.stacking, AS_PARTS, composite=True),
    "sklearn.CalibratedClassifierCV": Covered(ensembles.calibrated_classifier, ROUNDED, composite=True),
    "sklearn.TransformedTargetRegressor": Covered(
        wrappers.transformed_target,
        ROUNDED,
        "`inverse_func` as FunctionTransformer's `func`; `transformer` Standard-, MinMax-, MaxAbs- or RobustScaler",
        composite=True,
    ),
    "sklearn.FixedThresholdClassifier": Covered(wrappers.thresholded, AS_PARTS, composite=True),
    "sklearn.TunedThresholdClassifierCV": Covered(wrappers.thresholded, AS_PARTS, composite=True),
    "sklearn.OneVsRestClassifier": Covered(wrappers.one_against_the_rest, AS_PARTS, composite=True),
    "sklearn.MultiOutputRegressor": Covered(wrappers.several_regressors, AS_PARTS, composite=True),
    "sklearn.MultiOutputClassifier": Covered(wrappers.several_classifiers, AS_PARTS, composite=True),
    "sklearn.RegressorChain": Covered(wrappers.chain, AS_PARTS, composite=True),
    "sklearn.ClassifierChain": Covered(wrappers.chain, AS_PARTS, composite=True),
    "sklearn.MLPRegressor": Covered(neural.perceptron_regressor, ROUNDED),
    "sklearn.MLPClassifier": Covered(neural.perceptron_classifier, ROUNDED),
    "catboost.CatBoostClassifier": Covered(
        catboost.classifier, EXACT, "probabilities of more than two classes: relative 1e-12"
    ),
    "catboost.CatBoostRegressor": Covered(catboost.regressor, EXACT, "Poisson, Tweedie: relative 1e-12"),
    "lightgbm.LGBMClassifier": Covered(lightgbm.classifier, EXACT),
    "lightgbm.LGBMRegressor": Covered(lightgbm.regressor, EXACT),
    "xgboost.XGBClassifier": Covered(xgboost.classifier, EXACT, f"{SINGLES}; so is `multi:softmax`"),
    "xgboost.XGBRegressor": Covered(xgboost.regressor, EXACT, SINGLES),
    "xgboost.XGBRFClassifier": Covered(xgboost.classifier, EXACT, f"{SINGLES}; so is `multi:softmax`"),
    "xgboost.XGBRFRegressor": Covered(xgboost.regressor, EXACT, SINGLES),
}


def name_of(estimator: Any) -> str:
    """Name an estimator's class as the table does: the library, and the class."""
    return f"{type(estimator).__module__.split('.')[0]}.{type(estimator).__name__}"


def entry(estimator: Any) -> Covered:
    """Find an estimator in the table; raises CompileError, with the list of those covered, for one that is not."""
    name = name_of(estimator)
    if name not in COVERED:
        raise CompileError(
            f"{type(estimator).__module__}.{type(estimator).__qualname__} cannot be compiled to SQL."
            f"{nearest(name, COVERED)} Covered are {listed(COVERED, len(COVERED))}."
        )
    return COVERED[name]


def translated(estimator: Any, table: Table) -> Table | Outcome:
    """Translate a fitted estimator; raises CompileError for one that is not covered, or was fitted on other columns."""
    found = entry(estimator)
    check_inputs(estimator, table)
    parts = (translated,) if found.composite else ()
    result = found.translate(estimator, table, *parts)
    check_outputs(estimator, result)
    return result


def described(estimator: Any) -> str:
    """Describe a pipeline in a few words: its steps, joined by arrows."""
    if not isinstance(estimator, Pipeline):
        return type(estimator).__name__
    return " -> ".join(described(step) for _, step in estimator.steps if step is not None and step != "passthrough")
