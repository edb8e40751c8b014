"""Linear models: weighted sums, and predictions from them. Sums may differ from BLAS's in the last digits."""

from __future__ import annotations

from typing import Any

from mlbridge.compile.formulas.argmax import first_greatest
from mlbridge.compile.formulas.links import normalized, raised, sigmoid, softmax, unbounded
from mlbridge.compile.formulas.weighted_sums import weighted_sums
from mlbridge.compile.sql.columns import Table, merged, numbers, undefined
from mlbridge.compile.sql.expressions import Named, Node, at_most, below, double, ref
from mlbridge.compile.sql.outcomes import Classification, Regression, Several
from mlbridge.errors import CompileError


def _summed(estimator: Any, table: Table) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """Give the decision function of a linear model, and the reasons to refuse a row."""
    found, refused = numbers(table, missing=False)
    sums = weighted_sums(table, estimator.coef_, estimator.intercept_)
    return sums, merged(refused, undefined(sums, found))


def linear_regression(estimator: Any, table: Table) -> Regression:
    """Translate a regressor that predicts the weighted sum itself."""
    return Regression(*_summed(estimator, table))


def robust_regression(estimator: Any, table: Table, parts: Any) -> Any:
    """Translate RANSACRegressor by the regressor that it fitted on the inliers."""
    return parts(estimator.estimator_, table)


def generalized_regression(estimator: Any, table: Table) -> Regression:
    """Translate a generalized linear regressor: the inverse link of the weighted sum."""
    sums, refused = _summed(estimator, table)
    link = type(estimator._base_loss.link).__name__
    if link == "IdentityLink":
        return Regression(sums, refused)
    if link != "LogLink":
        raise CompileError(f"{type(estimator).__name__} with the link {link}: only 'log' and 'identity' are covered.")
    return Regression(tuple(Named("prediction", raised(ref(each))) for each in sums), refused)


def _decided(estimator: Any, sums: tuple[Node, ...]) -> tuple[Node, ...]:
    """Write which class is predicted: of two the second if the decision is above 0, of many the greatest decision's."""
    if len(sums) == 1:
        return (Named("first", at_most(ref(sums[0]), double(0))),)
    return first_greatest(sums)


def linear_classifier(estimator: Any, table: Table) -> Classification:
    """Translate a linear classifier without probabilities."""
    sums, refused = _summed(estimator, table)
    return Classification(tuple(estimator.classes_), _decided(estimator, sums), (), sums, refused)


def ridge_classifier(estimator: Any, table: Table) -> Classification | Several:
    """Translate RidgeClassifier; fitted on a label matrix, it predicts for each label whether the row has it."""
    if not estimator._label_binarizer.y_type_.startswith("multilabel"):
        return linear_classifier(estimator, table)
    sums, refused = _summed(estimator, table)
    return Several(tuple(Classification((0, 1), _decided(estimator, (each,)), (), (each,), refused) for each in sums))


def logistic_regression(estimator: Any, table: Table) -> Classification:
    """Translate LogisticRegression: the sigmoid of two classes, the softmax of many."""
    sums, refused = _summed(estimator, table)
    found = sigmoid(sums[0]) if len(sums) == 1 else softmax(sums)
    refused = merged(refused, unbounded(sums)) if len(sums) > 1 else refused
    return Classification(tuple(estimator.classes_), _decided(estimator, sums), found, sums, refused)


def sgd_classifier(estimator: Any, table: Table) -> Classification:
    """Translate SGDClassifier; probabilities with the loss `log_loss` only (one against the rest, normalized)."""
    if estimator.loss == "modified_huber":
        raise CompileError("SGDClassifier(loss='modified_huber') is not covered; take 'log_loss'.")
    if estimator.loss != "log_loss":
        return linear_classifier(estimator, table)
    sums, refused = _summed(estimator, table)
    found = sigmoid(sums[0]) if len(sums) == 1 else normalized([sigmoid(each)[1] for each in sums])
    return Classification(tuple(estimator.classes_), _decided(estimator, sums), found, sums, refused)


def _check_kernel(estimator: Any) -> None:
    if estimator.kernel != "linear" or getattr(estimator, "probability", False) is True:
        name, kernel = type(estimator).__name__, estimator.kernel
        raise CompileError(f"{name}(kernel={kernel!r}) is not covered; kernel='linear' without probabilities is.")


def support_vector_regression(estimator: Any, table: Table) -> Regression:
    """Translate SVR and NuSVR with a linear kernel."""
    _check_kernel(estimator)
    return linear_regression(estimator, table)


def support_vector_classifier(estimator: Any, table: Table) -> Classification:
    """Translate SVC and NuSVC with a linear kernel, for two classes; a decision of 0 is of the second one."""
    _check_kernel(estimator)
    if len(estimator.classes_) > 2:
        raise CompileError(
            f"{type(estimator).__name__} of {len(estimator.classes_)} classes is not covered; LinearSVC is."
        )
    sums, refused = _summed(estimator, table)
    wins = (Named("first", below(ref(sums[0]), double(0))),)
    return Classification(tuple(estimator.classes_), wins, (), sums, refused)


def discriminant(estimator: Any, table: Table) -> Classification:
    """Translate LinearDiscriminantAnalysis: as a logistic regression."""
    return logistic_regression(estimator, table)
