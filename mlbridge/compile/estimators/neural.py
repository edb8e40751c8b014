"""Multilayer perceptrons: layers of weighted sums, each followed by an activation function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.formulas.argmax import first_greatest
from mlbridge.compile.formulas.functions import hyperbolic_tangent
from mlbridge.compile.formulas.links import sigmoid, softmax, unbounded
from mlbridge.compile.formulas.weighted_sums import weighted_sums
from mlbridge.compile.sql.columns import Table, merged, numbers, undefined
from mlbridge.compile.sql.expressions import Named, Node, above, at_most, case, double, ref
from mlbridge.compile.sql.number import Number, number_from
from mlbridge.compile.sql.outcomes import Classification, Regression, Several


def _tanh(node: Node) -> Node:
    return Named("tanh", hyperbolic_tangent(ref(node)))


def _relu(node: Node) -> Node:
    return Named("relu", case([(above(ref(node), double(0)), ref(node))], double(0)))


ACTIVATIONS: Mapping[str, Callable[[Node], Node]] = {
    "identity": lambda node: node,
    "logistic": lambda node: sigmoid(node)[1],
    "tanh": _tanh,
    "relu": _relu,
}


def _outputs(estimator: Any, table: Table) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """Give the sums of the last layer, and the reasons to refuse a row."""
    found, refused = numbers(table, missing=False)
    layer = Table(found)
    for index, (weights, constants) in enumerate(zip(estimator.coefs_, estimator.intercepts_, strict=True)):
        sums = weighted_sums(layer, np.transpose(weights), constants, "unit")
        units = [each for each in layer.columns if isinstance(each, Number)]
        refused = merged(refused, undefined(sums, units))
        if index == len(estimator.coefs_) - 1:
            return sums, refused
        layer = Table(tuple(number_from(ACTIVATIONS[estimator.activation](each)) for each in sums))
    raise AssertionError("a perceptron without layers")


def perceptron_regressor(estimator: Any, table: Table) -> Regression:
    """Translate MLPRegressor; with the loss `poisson` the exponential of the sum."""
    sums, refused = _outputs(estimator, table)
    if estimator.out_activation_ == "exponential":
        return Regression(tuple(Named("prediction", exp.Exp(this=ref(each))) for each in sums), refused)
    return Regression(sums, refused)


def perceptron_classifier(estimator: Any, table: Table) -> Classification | Several:
    """Translate MLPClassifier: the softmax of many classes, the sigmoid of two and of each label."""
    sums, refused = _outputs(estimator, table)
    if estimator.out_activation_ == "softmax":
        shares = softmax(sums)
        refused = merged(refused, unbounded(sums))
        return Classification(tuple(estimator.classes_), first_greatest(shares), shares, (), refused)
    single = len(sums) == 1
    outcomes = [_of_two(tuple(estimator.classes_) if single else (0, 1), each, refused) for each in sums]
    return outcomes[0] if single else Several(tuple(outcomes))


def _of_two(classes: tuple[Any, ...], score: Node, refused: tuple[Node, ...]) -> Classification:
    shares = sigmoid(score)
    return Classification(classes, (Named("first", at_most(ref(shares[1]), double(0.5))),), shares, (), refused)
