"""Classifiers and regressors that are small: Gaussian naive Bayes, and the dummies."""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.columns import Classification, Regression, Table, numbers
from mlbridge.compile.expressions import Named, Node, add, divide, double, multiply, ref, subtract
from mlbridge.compile.links import softmax
from mlbridge.compile.winners import first_greatest
from mlbridge.errors import CompileError


def gaussian_nb(estimator: Any, table: Table) -> Classification:
    """Translate GaussianNB: log prior - sum(log(2 pi var)) / 2 - sum((x - theta)^2 / var) / 2, then the softmax."""
    found, refused = numbers(table, missing=False)
    scores = []
    for prior, means, variances in zip(estimator.class_prior_, estimator.theta_, estimator.var_, strict=True):
        constant = float(np.log(prior) - 0.5 * np.sum(np.log(2.0 * np.pi * variances)))
        total: exp.Expression | None = None
        for number, mean, variance in zip(found, means, variances, strict=True):
            apart = Named("apart", subtract(ref(number.node), double(mean)))
            term = divide(multiply(ref(apart), ref(apart)), double(variance))
            total = term if total is None else add(total, term)
        assert total is not None  # noqa: S101 (scikit-learn fits no empty frame)
        scores.append(Named("score", subtract(double(constant), multiply(double(0.5), total))))
    return Classification(tuple(estimator.classes_), first_greatest(scores), softmax(scores), (), refused)


def dummy_classifier(estimator: Any, table: Table) -> Classification:
    """Translate DummyClassifier, unless its answers are random."""
    if estimator.strategy not in ("prior", "most_frequent", "constant"):
        raise CompileError(f"DummyClassifier(strategy={estimator.strategy!r}): its answers are random.")
    if estimator.n_outputs_ > 1:
        raise CompileError("DummyClassifier with several outputs is not covered.")
    (shares,) = estimator.predict_proba(np.zeros((1, 1)))
    nodes: tuple[Node, ...] = tuple(Named("share", double(share)) for share in shares)
    return Classification(tuple(estimator.classes_), first_greatest(nodes), nodes, (), table.refused)


def dummy_regressor(estimator: Any, table: Table) -> Regression:
    """Translate DummyRegressor: its constants."""
    values = np.ravel(estimator.constant_)
    return Regression(tuple(Named("constant", double(value)) for value in values), table.refused)
