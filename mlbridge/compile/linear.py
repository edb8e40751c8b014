"""Linear models: a weighted sum, and what is made of it. Sums may differ from BLAS's in the last digits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.columns import (
    Classification,
    Column,
    Mapped,
    Regression,
    Table,
    number_of,
    numbers,
)
from mlbridge.compile.expressions import Named, Node, added, at_most, double, multiply, ref
from mlbridge.compile.links import normalized, raised, sigmoid, softmax
from mlbridge.compile.winners import first_greatest
from mlbridge.errors import CompileError


def weighted_sums(table: Table, weights: Any, constants: Any, hint: str = "score") -> tuple[Node, ...]:
    """Give one weighted sum of the columns per row of `weights`; indicators of one value become one term."""
    weights = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    constants = np.broadcast_to(np.asarray(constants, dtype=np.float64).ravel(), len(weights))
    groups = _grouped(table.columns)
    return tuple(
        Named(hint, _sum(table.columns, groups, row, float(constant)))
        for row, constant in zip(weights, constants, strict=True)
    )


def _grouped(columns: Sequence[Column]) -> list[list[int]]:
    """Put the places of columns that one value decides together."""
    groups: list[list[int]] = []
    known: dict[tuple[int, tuple[str | float, ...]], list[int]] = {}
    for place, column in enumerate(columns):
        if isinstance(column, Mapped):
            key = (id(column.source), column.keys)
            if key in known:
                known[key].append(place)
                continue
            known[key] = [place]
            groups.append(known[key])
        else:
            groups.append([place])
    return groups


def _sum(columns: Sequence[Column], groups: list[list[int]], weights: Any, constant: float) -> exp.Expression:
    terms: list[exp.Expression] = []
    for places in groups:
        column = columns[places[0]]
        if isinstance(column, Mapped):
            tables = [columns[place].table * weights[place] for place in places]  # type: ignore[union-attr]
            terms.append(ref(column.with_table(np.sum(tables, axis=0)).number.node))
        elif weights[places[0]] != 0:
            terms.append(multiply(ref(number_of(column).node), double(weights[places[0]])))
    return added([*terms, double(constant)])


def _summed(estimator: Any, table: Table) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """Give the decision function of a linear model, and the reasons to refuse a row."""
    _, refused = numbers(table, missing=False)
    return weighted_sums(table, estimator.coef_, estimator.intercept_), refused


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
    """Say which class wins by decisions: the second of two where the decision is above 0, else the greatest."""
    if len(sums) == 1:
        return (Named("first", at_most(ref(sums[0]), double(0))),)
    return first_greatest(sums)


def linear_classifier(estimator: Any, table: Table) -> Classification:
    """Translate a linear classifier that knows no probabilities."""
    sums, refused = _summed(estimator, table)
    return Classification(tuple(estimator.classes_), _decided(estimator, sums), (), sums, refused)


def logistic_regression(estimator: Any, table: Table) -> Classification:
    """Translate LogisticRegression: the sigmoid of two classes, the softmax of many."""
    sums, refused = _summed(estimator, table)
    found = sigmoid(sums[0]) if len(sums) == 1 else softmax(sums)
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


def discriminant(estimator: Any, table: Table) -> Classification:
    """Translate LinearDiscriminantAnalysis: as a logistic regression."""
    return logistic_regression(estimator, table)
