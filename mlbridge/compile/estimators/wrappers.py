"""Estimators that wrap others: a transformed target, a threshold, one against the rest, several outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor

from mlbridge.compile.estimators.composition import Parts
from mlbridge.compile.estimators.ensembles import chosen, classifier, regressor
from mlbridge.compile.formulas.argmax import first_greatest
from mlbridge.compile.formulas.links import total
from mlbridge.compile.formulas.targets import inverse_of
from mlbridge.compile.sql.columns import Column, Table, merged, numbers
from mlbridge.compile.sql.expressions import (
    Named,
    Node,
    at_least,
    at_most,
    below,
    case,
    divide,
    double,
    equal,
    ref,
    subtract,
)
from mlbridge.compile.sql.number import Number, number_from
from mlbridge.compile.sql.outcomes import Classification, Outcome, Regression, Several
from mlbridge.errors import CompileError


def transformed_target(estimator: Any, table: Table, parts: Parts) -> Regression:
    """Translate TransformedTargetRegressor: the prediction of its regressor, transformed back."""
    outcome = parts(estimator.regressor_, table)
    if not isinstance(outcome, Regression):
        raise CompileError(f"{type(estimator.regressor_).__name__} stands where a regressor is expected.")
    refused: list[Node] = list(outcome.refused)
    values: list[Node] = []
    for index, value in enumerate(outcome.values):
        found, reasons = inverse_of(estimator.transformer_, index, number_from(value))
        values.append(found)
        refused.extend(reasons)
    return Regression(tuple(values), merged(refused))


def thresholded(estimator: Any, table: Table, parts: Parts) -> Classification:
    """Translate FixedThresholdClassifier and TunedThresholdClassifierCV: positive at or above a score."""
    inner = getattr(estimator, "estimator_", estimator.estimator)
    outcome = classifier(parts, inner, table)
    if len(outcome.classes) != 2:
        raise CompileError(f"{type(estimator).__name__} is covered for two classes.")
    by_share = estimator.response_method != "decision_function" and hasattr(inner, "predict_proba")
    tuned = getattr(estimator, "_curve_scorer", None)
    label = estimator.pos_label if tuned is None else tuned._get_pos_label()
    positive = 1 if label is None else list(outcome.classes).index(label)
    stated = getattr(estimator, "best_threshold_", getattr(estimator, "threshold", "auto"))
    threshold = float(stated) if stated != "auto" else 0.5 if by_share else 0.0
    if by_share:
        score = ref(outcome.probabilities[positive])
    else:
        score = ref(outcome.decisions[0]) if positive else subtract(double(0), ref(outcome.decisions[0]))
    first = Named("first", (below if positive else at_least)(score, double(threshold)))
    return replace(outcome, wins=(first,))


def one_against_the_rest(estimator: Any, table: Table, parts: Parts) -> Outcome:
    """Translate OneVsRestClassifier: one classifier per class or, fitted on a label matrix, per label."""
    inner = estimator.estimators_
    if any(type(each).__name__ == "_ConstantPredictor" for each in inner):
        raise CompileError("OneVsRestClassifier: a class or label that no row had, or every row, has no estimator.")
    found = [parts(each, table) for each in inner]
    refused = merged(table.refused, *(each.refused for each in found if isinstance(each, (Classification, Regression))))
    scores = [_score(each, outcome) for each, outcome in zip(inner, found, strict=True)]
    positive = [_positive(each) for each in found] if all(hasattr(each, "predict_proba") for each in inner) else []
    limit = 0.0 if hasattr(inner[0], "decision_function") and is_classifier(inner[0]) else 0.5
    if estimator.multilabel_:
        shares: list[Node | None] = [*positive] or [None] * len(scores)
        labels = zip(scores, shares, strict=True)
        return Several(tuple(_label(score, share, limit, refused) for score, share in labels))
    classes = tuple(estimator.classes_)
    decisions = tuple(scores) if all(hasattr(each, "decision_function") for each in inner) else ()
    if len(inner) == 1:
        wins: tuple[Node, ...] = (Named("first", at_most(ref(scores[0]), double(limit))),)
        pairs = [(Named("rest", subtract(double(1), ref(each))), each) for each in positive]
        return Classification(classes, wins, _normalized(pairs[0]) if pairs else (), decisions, refused)
    return Classification(classes, first_greatest(scores), _normalized(positive), decisions, refused)


def _score(estimator: Any, outcome: Table | Outcome) -> Node:
    """Return the score by which a classifier of one class is compared: its decision, else its second probability."""
    if is_regressor(estimator) and isinstance(outcome, Regression):
        return outcome.values[0]
    if isinstance(outcome, Classification) and len(outcome.classes) == 2:
        return outcome.decisions[0] if hasattr(estimator, "decision_function") else outcome.probabilities[1]
    raise CompileError(f"{type(estimator).__name__} stands where a classifier of two classes is expected.")


def _positive(outcome: Table | Outcome) -> Node:
    assert isinstance(outcome, Classification)  # noqa: S101 (`_score` has checked it)
    return outcome.probabilities[1]


def _label(score: Node, share: Node | None, limit: float, refused: tuple[Node, ...]) -> Classification:
    wins = (Named("without", at_most(ref(score), double(limit))),)
    shares = () if share is None else (Named("rest", subtract(double(1), ref(share))), share)
    return Classification((0, 1), wins, shares, (score,), refused)


def _normalized(parts: Sequence[Node]) -> tuple[Node, ...]:
    """Divide numbers by their sum; where all are 0 they stay so."""
    if not parts:
        return ()
    whole = total(parts)
    return tuple(
        Named("probability", case([(equal(ref(whole), double(0)), double(0))], divide(ref(part), ref(whole))))
        for part in parts
    )


def several_regressors(estimator: Any, table: Table, parts: Parts) -> Regression:
    """Translate MultiOutputRegressor: a regressor for each output."""
    found = [regressor(parts, each, table) for each in estimator.estimators_]
    return Regression(tuple(each.values[0] for each in found), merged(*(each.refused for each in found)))


def several_classifiers(estimator: Any, table: Table, parts: Parts) -> Several:
    """Translate MultiOutputClassifier: a classifier for each output."""
    found = [classifier(parts, each, table) for each in estimator.estimators_]
    refused = merged(*(each.refused for each in found))
    return Several(tuple(replace(each, refused=refused) for each in found))


def chain(estimator: Any, table: Table, parts: Parts) -> Outcome:
    """Translate ClassifierChain and RegressorChain: each estimator also gets the predictions of those before it."""
    _, refused = numbers(table, missing=False)
    columns: list[Column] = list(table.columns)
    found: dict[int, Classification | Regression] = {}
    for output, each in zip(estimator.order_, estimator.estimators_, strict=True):
        outcome = parts(each, Table(tuple(columns), refused, table.sparse))
        if not isinstance(outcome, (Classification, Regression)):
            raise CompileError(f"{type(each).__name__} inside {type(estimator).__name__} is not covered.")
        if isinstance(outcome, Classification) and len(outcome.classes) == 1:
            raise CompileError("ClassifierChain: scikit-learn gives no probabilities where an output had one class.")
        columns.append(_answer(outcome, getattr(estimator, "chain_method_", "predict")))
        refused = merged(refused, outcome.refused)
        found[int(output)] = outcome
    ordered = [found[output] for output in range(len(found))]
    if all(isinstance(each, Regression) for each in ordered):
        return Regression(tuple(each.values[0] for each in ordered if isinstance(each, Regression)), refused)
    return Several(tuple(replace(each, refused=refused) for each in ordered if isinstance(each, Classification)))


def _answer(outcome: Classification | Regression, method: str) -> Number:
    if isinstance(outcome, Regression):
        return number_from(outcome.values[0])
    if method == "decision_function":
        return number_from(outcome.decisions[0])
    if method == "predict_proba":
        return number_from(outcome.probabilities[1], within=(0.0, 1.0))
    labels = [float(label) for label in np.asarray(outcome.classes)]
    return number_from(Named("label", chosen(outcome, lambda index: labels[index])))
