"""What can be translated: one literal table. A new estimator is one function and one row (and its parity test)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sklearn.pipeline import Pipeline

from mlbridge.compile import (
    boosting,
    combining,
    composed,
    encoders,
    expanding,
    forests,
    imputing,
    light,
    linear,
    preprocessing,
    simple,
    splines,
    voted,
    xgb,
)
from mlbridge.compile.columns import Outcome, Table
from mlbridge.errors import CompileError, listed, nearest

EXACT: Final = "bit for bit"
ROUNDED: Final = "relative 1e-12"
AS_PARTS: Final = "as its parts"
DECISION: Final = "no probabilities: gives `decision`"
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
    "sklearn.Pipeline": Covered(composed.pipeline, AS_PARTS, composite=True),
    "sklearn.ColumnTransformer": Covered(composed.column_transformer, AS_PARTS, composite=True),
    "sklearn.FeatureUnion": Covered(composed.feature_union, AS_PARTS, composite=True),
    "sklearn.FrozenEstimator": Covered(composed.frozen, AS_PARTS, composite=True),
    "sklearn.GridSearchCV": Covered(composed.chosen_estimator, AS_PARTS, "the best estimator", composite=True),
    "sklearn.RandomizedSearchCV": Covered(composed.chosen_estimator, AS_PARTS, "the best estimator", composite=True),
    "sklearn.SelectKBest": Covered(composed.selector, EXACT),
    "sklearn.VarianceThreshold": Covered(composed.selector, EXACT),
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
        "`func`: None, or numpy's asarray, log, log1p, exp, sqrt, abs, square, negative",
    ),
    "sklearn.OneHotEncoder": Covered(encoders.encoder, EXACT, "`dtype`: float64 or whole numbers"),
    "sklearn.OrdinalEncoder": Covered(encoders.encoder, EXACT, "`dtype`: float64 or whole numbers"),
    "sklearn.TargetEncoder": Covered(encoders.encoder, EXACT),
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
    "sklearn.LassoLars": Covered(linear.linear_regression, ROUNDED),
    "sklearn.BayesianRidge": Covered(linear.linear_regression, ROUNDED),
    "sklearn.ARDRegression": Covered(linear.linear_regression, ROUNDED),
    "sklearn.HuberRegressor": Covered(linear.linear_regression, ROUNDED),
    "sklearn.QuantileRegressor": Covered(linear.linear_regression, ROUNDED),
    "sklearn.TheilSenRegressor": Covered(linear.linear_regression, ROUNDED),
    "sklearn.OrthogonalMatchingPursuit": Covered(linear.linear_regression, ROUNDED),
    "sklearn.SGDRegressor": Covered(linear.linear_regression, ROUNDED),
    "sklearn.LinearSVR": Covered(linear.linear_regression, ROUNDED),
    "sklearn.MultiTaskLasso": Covered(linear.linear_regression, ROUNDED),
    "sklearn.MultiTaskElasticNet": Covered(linear.linear_regression, ROUNDED),
    "sklearn.LinearSVC": Covered(linear.linear_classifier, ROUNDED, DECISION),
    "sklearn.RidgeClassifier": Covered(linear.linear_classifier, ROUNDED, DECISION),
    "sklearn.RidgeClassifierCV": Covered(linear.linear_classifier, ROUNDED, DECISION),
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
    "sklearn.GaussianNB": Covered(simple.gaussian_nb, ROUNDED),
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
        boosting.hist_regressor, EXACT, "losses with a log link: relative 1e-12", composite=True
    ),
    "sklearn.HistGradientBoostingClassifier": Covered(boosting.hist_classifier, EXACT, SOFTMAX, composite=True),
    "sklearn.GradientBoostingRegressor": Covered(boosting.gradient_boosting_regressor, EXACT),
    "sklearn.GradientBoostingClassifier": Covered(boosting.gradient_boosting_classifier, EXACT, SOFTMAX),
    "sklearn.AdaBoostClassifier": Covered(voted.adaboost_classifier, ROUNDED, composite=True),
    "sklearn.AdaBoostRegressor": Covered(
        voted.adaboost_regressor,
        EXACT,
        "up to 100 decision trees; up to 50 other regressors, which decide how exact it is",
        composite=True,
    ),
    "sklearn.IsolationForest": Covered(voted.isolation_forest, ROUNDED, "gives -1 or 1, and `decision`"),
    "sklearn.VotingClassifier": Covered(
        combining.voting_classifier, AS_PARTS, "a hard vote gives no probabilities", composite=True
    ),
    "sklearn.VotingRegressor": Covered(combining.voting_regressor, AS_PARTS, composite=True),
    "sklearn.StackingClassifier": Covered(combining.stacking, AS_PARTS, composite=True),
    "sklearn.StackingRegressor": Covered(combining.stacking, AS_PARTS, composite=True),
    "sklearn.CalibratedClassifierCV": Covered(combining.calibrated_classifier, ROUNDED, composite=True),
    "lightgbm.LGBMClassifier": Covered(light.classifier, EXACT),
    "lightgbm.LGBMRegressor": Covered(light.regressor, EXACT),
    "xgboost.XGBClassifier": Covered(xgb.classifier, EXACT, f"{SINGLES}; so is `multi:softmax`"),
    "xgboost.XGBRegressor": Covered(xgb.regressor, EXACT, SINGLES),
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
    """Translate a fitted estimator; raises CompileError for one that is not covered."""
    found = entry(estimator)
    if found.composite:
        return found.translate(estimator, table, translated)
    return found.translate(estimator, table)


def described(estimator: Any) -> str:
    """Say in a few words what a pipeline is, its steps joined by arrows."""
    if not isinstance(estimator, Pipeline):
        return type(estimator).__name__
    return " -> ".join(described(step) for _, step in estimator.steps if step is not None and step != "passthrough")
