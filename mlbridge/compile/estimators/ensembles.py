"""Ensembles of other estimators: votes, stacks and calibrated classifiers. `parts` translates the inner ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.estimators.composition import Parts
from mlbridge.compile.formulas.argmax import first_greatest
from mlbridge.compile.formulas.links import normalized, sigmoid, softmax, unbounded
from mlbridge.compile.formulas.piecewise import interpolated
from mlbridge.compile.sql.columns import Column, Table, merged
from mlbridge.compile.sql.expressions import Named, Node, add, case, divide, double, multiply, negative, ref, subtract
from mlbridge.compile.sql.number import number_from
from mlbridge.compile.sql.outcomes import Classification, Outcome, Regression
from mlbridge.errors import CompileError

# What scikit-learn adds to a probability before it takes the logarithm.
NO_ZERO = 1e-12


def classifier(parts: Parts, estimator: Any, table: Table) -> Classification:
    """Translate an estimator that must be a classifier with one output."""
    outcome = parts(estimator, table)
    if not isinstance(outcome, Classification):
        raise CompileError(f"{type(estimator).__name__} stands where a classifier with one output is expected.")
    return outcome


def regressor(parts: Parts, estimator: Any, table: Table) -> Regression:
    """Translate an estimator that must be a regressor with one output."""
    outcome = parts(estimator, table)
    if not isinstance(outcome, Regression) or len(outcome.values) != 1:
        raise CompileError(f"{type(estimator).__name__} stands where a regressor with one output is expected.")
    return outcome


def average(nodes: Sequence[Node], weights: Sequence[float] | None) -> Node:
    """Write numpy.average: the sum of the numbers divided by their count, or the weighted sum by the total weight."""
    terms = [ref(node) for node in nodes]
    if weights is not None:
        terms = [multiply(term, double(weight)) for term, weight in zip(terms, weights, strict=True)]
    total = terms[0]
    for term in terms[1:]:
        total = add(total, term)
    return Named("average", divide(total, double(len(nodes) if weights is None else float(np.sum(weights)))))


def voting_classifier(estimator: Any, table: Table, parts: Parts) -> Classification:
    """Translate VotingClassifier; a hard vote gives no probabilities."""
    found = [classifier(parts, each, table) for each in estimator.estimators_]
    refused = merged(*(each.refused for each in found))
    weights, classes = estimator._weights_not_none, tuple(estimator.classes_)
    if estimator.voting == "soft":
        shares = tuple(average([each.probabilities[index] for each in found], weights) for index in range(len(classes)))
        return Classification(classes, first_greatest(shares), shares, (), refused)
    counts = [1.0] * len(found) if weights is None else [float(weight) for weight in weights]
    votes = tuple(
        _summed([_indicator(each, index, weight) for each, weight in zip(found, counts, strict=True)])
        for index in range(len(classes))
    )
    return Classification(classes, first_greatest(votes), (), (), refused)


def _indicator(outcome: Classification, index: int, weight: float) -> Node:
    """Write an indicator of a predicted class: the weight if it is the class of this index, else 0."""
    return Named("vote", chosen(outcome, lambda code: weight if code == index else 0.0))


def chosen(outcome: Classification, number: Callable[[int], float]) -> exp.Expression:
    """Write a number that depends on the predicted class, by its index."""
    tests = [(ref(win), double(number(index))) for index, win in enumerate(outcome.wins)]
    return case(tests, double(number(len(outcome.wins))))


def _summed(nodes: Sequence[Node]) -> Node:
    total = ref(nodes[0])
    for node in nodes[1:]:
        total = add(total, ref(node))
    return Named("votes", total)


def voting_regressor(estimator: Any, table: Table, parts: Parts) -> Regression:
    """Translate VotingRegressor: the weighted mean."""
    found = [regressor(parts, each, table) for each in estimator.estimators_]
    mean = average([each.values[0] for each in found], estimator._weights_not_none)
    return Regression((mean,), merged(*(each.refused for each in found)))


def stacking(estimator: Any, table: Table, parts: Parts) -> Outcome:
    """Translate StackingClassifier and StackingRegressor: the final estimator over the outputs of the others."""
    columns: list[Column] = []
    refused: list[Node] = list(table.refused)
    for each, method in zip(estimator.estimators_, estimator.stack_method_, strict=True):
        outcome = parts(each, table)
        if not isinstance(outcome, (Classification, Regression)):
            raise CompileError(f"{type(each).__name__} inside {type(estimator).__name__} is not covered.")
        within = (0.0, 1.0) if method == "predict_proba" else None
        columns.extend(number_from(node, (), within) for node in _response(outcome, method))
        refused.extend(outcome.refused)
    if estimator.passthrough:
        columns.extend(table.columns)
    sparse = table.sparse and bool(estimator.passthrough)
    final = parts(estimator.final_estimator_, Table(tuple(columns), merged(refused), sparse))
    if isinstance(final, Classification):
        return replace(final, classes=tuple(estimator.classes_))
    if isinstance(final, Regression):
        return final
    raise CompileError(f"{type(estimator).__name__} with this final estimator is not covered.")


def _response(outcome: Classification | Regression, method: str) -> tuple[Node, ...]:
    if isinstance(outcome, Regression):
        return outcome.values
    if method == "predict_proba":
        return outcome.probabilities[1:] if len(outcome.classes) == 2 else outcome.probabilities
    if method == "decision_function":
        return outcome.decisions
    numbers = [float(label) for label in outcome.classes]
    return (Named("class", chosen(outcome, lambda index: numbers[index])),)


def calibrated_classifier(estimator: Any, table: Table, parts: Parts) -> Classification:
    """Translate CalibratedClassifierCV: the mean of its calibrated classifiers."""
    tempered = estimator.method == "temperature"
    classes, refused = tuple(estimator.classes_), list(table.refused)
    known = [list(classes)]
    if tempered:
        known.append(list(range(len(classes))))  # scikit-learn numbers classes that are texts before it fits
    each_one = []
    for calibrated in estimator.calibrated_classifiers_:
        outcome = classifier(parts, calibrated.estimator, table)
        if list(outcome.classes) not in known:
            raise CompileError("CalibratedClassifierCV: a classifier inside has not seen all classes.")
        refused.extend(outcome.refused)
        each_one.append((_tempered if tempered else _calibrated)(calibrated, outcome))
        refused.extend(unbounded(outcome.decisions) if tempered else [])
    means = tuple(average([shares[index] for shares in each_one], None) for index in range(len(classes)))
    return Classification(classes, first_greatest(means), means, (), merged(refused))


def _calibrated(calibrated: Any, outcome: Classification) -> tuple[Node, ...]:
    scores = outcome.decisions or (outcome.probabilities[1:] if len(outcome.classes) == 2 else outcome.probabilities)
    found = [_mapped(calibrator, score) for calibrator, score in zip(calibrated.calibrators, scores, strict=True)]
    if len(outcome.classes) == 2:
        return Named("probability", subtract(double(1), ref(found[0]))), found[0]
    return normalized(found)


def _tempered(calibrated: Any, outcome: Classification) -> tuple[Node, ...]:
    """Write the softmax of scores by a temperature (Guo et al., ICML 2017); a probability's score is its logarithm.

    scikit-learn treats decisions as probabilities if in every row of a batch they are within 0 and 1 and have the sum
    1. Here they are always treated as decisions.
    """
    scores = [ref(each) for each in outcome.decisions]
    if len(scores) == 1:
        scores = [negative(ref(outcome.decisions[0])), *scores]
    if not scores:
        shares = [ref(each) for each in outcome.probabilities]
        if len(shares) == 2:
            shares[0] = subtract(double(1), ref(outcome.probabilities[1]))
        scores = [exp.Ln(this=add(share, double(NO_ZERO))) for share in shares]
    sharpness = float(calibrated.calibrators[0].beta_)
    return softmax([Named("tempered", multiply(double(sharpness), score)) for score in scores])


def _mapped(calibrator: Any, score: Node) -> Node:
    if hasattr(calibrator, "a_"):
        line = add(multiply(double(calibrator.a_), ref(score)), double(calibrator.b_))
        return sigmoid(Named("calibrated", negative(line)))[1]
    points, values = calibrator.X_thresholds_, calibrator.y_thresholds_
    if len(values) == 1:
        return Named("calibrated", double(values[0]))
    return Named("calibrated", interpolated(score, np.asarray(points, float), np.asarray(values, float)))
