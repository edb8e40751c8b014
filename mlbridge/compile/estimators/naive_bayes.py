"""Naive Bayes: for each class the logarithm of its likelihood, a sum over the columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.formulas.argmax import first_greatest
from mlbridge.compile.formulas.links import exponentials, unbounded
from mlbridge.compile.formulas.piecewise import stepped
from mlbridge.compile.formulas.weighted_sums import weighted_sums
from mlbridge.compile.sql.columns import Column, Floats, Table, merged, numbers
from mlbridge.compile.sql.expressions import (
    Named,
    Node,
    above,
    add,
    added,
    at_least,
    at_most,
    case,
    divide,
    double,
    either,
    multiply,
    ref,
    subtract,
)
from mlbridge.compile.sql.number import Number, computed
from mlbridge.compile.sql.outcomes import Classification
from mlbridge.errors import CompileError


def by_log_likelihood(classes: Any, scores: Sequence[Node], refused: tuple[Node, ...]) -> Classification:
    """Give classes and probabilities by the logarithms of the classes' likelihoods."""
    refused = merged(refused, unbounded(scores))
    return Classification(tuple(classes), first_greatest(scores), exponentials(scores), (), refused)


def gaussian(estimator: Any, table: Table) -> Classification:
    """Translate GaussianNB: log prior - sum(log(2 pi var)) / 2 - sum((x - theta)^2 / var) / 2."""
    if not np.all(estimator.var_ > 0):
        raise CompileError("GaussianNB was fitted on columns without any variance, and returns NaN for every row.")
    found, refused = numbers(table, missing=False)
    scores = []
    for prior, means, variances in zip(estimator.class_prior_, estimator.theta_, estimator.var_, strict=True):
        constant = float(-0.5 * np.sum(np.log(2.0 * np.pi * variances)))
        terms = []
        for number, mean, variance in zip(found, means, variances, strict=True):
            apart = Named("apart", subtract(ref(number.node), double(mean)))
            terms.append(divide(multiply(ref(apart), ref(apart)), double(variance)))
        likelihood = subtract(double(constant), multiply(double(0.5), exp.Paren(this=added(terms))))
        scores.append(Named("score", add(double(float(np.log(prior))), likelihood)))
    return by_log_likelihood(estimator.classes_, scores, refused)


def multinomial(estimator: Any, table: Table) -> Classification:
    """Translate MultinomialNB and ComplementNB: counts by the logarithms of their shares."""
    _, refused = numbers(table, missing=False)
    constants = estimator.class_log_prior_
    if type(estimator).__name__ == "ComplementNB" and len(estimator.classes_) > 1:
        constants = np.zeros_like(constants)
    scores = weighted_sums(table, estimator.feature_log_prob_, constants)
    return by_log_likelihood(estimator.classes_, scores, refused)


def bernoulli(estimator: Any, table: Table) -> Classification:
    """Translate BernoulliNB: whether each number is above `binarize`, or the number itself without it."""
    found, refused = numbers(table, missing=False)
    columns: tuple[Column, ...] = table.columns
    if estimator.binarize is not None:
        columns = tuple(_is_above(each, float(estimator.binarize)) for each in found)
    absent = np.log(1 - np.exp(estimator.feature_log_prob_))
    constants = estimator.class_log_prior_ + absent.sum(axis=1)
    scores = weighted_sums(Table(columns), estimator.feature_log_prob_ - absent, constants)
    return by_log_likelihood(estimator.classes_, scores, refused)


def _is_above(number: Number, threshold: float) -> Number:
    return computed(number.node.hint, case([(above(ref(number.node), double(threshold)), double(1))], double(0)))


def categorical(estimator: Any, table: Table) -> Classification:
    """Translate CategoricalNB: codes, which are truncated to integers; a code that the fit has not seen is refused."""
    found, refused = numbers(table, missing=False)
    reasons: list[Node] = []
    terms: list[list[exp.Expression]] = [[] for _ in estimator.classes_]
    for number, tables in zip(found, estimator.feature_log_prob_, strict=True):
        codes = tables.shape[1]
        outside = [at_most(ref(number.node), double(-1)), at_least(ref(number.node), double(codes))]
        reasons.append(Named("unseen", either(outside)))
        for term, shares in zip(terms, tables, strict=True):
            term.append(_looked_up(number, shares))
    scores = [
        Named("score", add(added(term), double(float(prior))))
        for term, prior in zip(terms, estimator.class_log_prior_, strict=True)
    ]
    return by_log_likelihood(estimator.classes_, scores, merged(refused, reasons))


def _looked_up(number: Number, shares: Floats) -> exp.Expression:
    edges = np.arange(1.0, len(shares))
    return stepped(number.node, edges, lambda code: double(shares[code]))
