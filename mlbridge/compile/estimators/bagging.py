"""Bagging: the mean of estimators that were each fitted on some of the rows and columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from mlbridge.compile.estimators.composition import Parts
from mlbridge.compile.estimators.ensembles import chosen, classifier, regressor
from mlbridge.compile.formulas.argmax import first_greatest
from mlbridge.compile.sql.columns import Table, merged
from mlbridge.compile.sql.expressions import Named, Node, add, divide, double, ref
from mlbridge.compile.sql.outcomes import Classification, Regression
from mlbridge.compile.trees.tree import TREES_A_STEP


def bagging_regressor(estimator: Any, table: Table, parts: Parts) -> Regression:
    """Translate BaggingRegressor."""
    found = [regressor(parts, each, chosen_columns) for each, chosen_columns in _inside(estimator, table)]
    mean = _mean([each.values[0] for each in found])
    return Regression((mean,), merged(table.refused, *(each.refused for each in found)))


def bagging_classifier(estimator: Any, table: Table, parts: Parts) -> Classification:
    """Translate BaggingClassifier: the mean of probabilities, or of votes where its classifiers have none."""
    inside = list(_inside(estimator, table))
    found = [classifier(parts, each, chosen_columns) for each, chosen_columns in inside]
    votes = not hasattr(inside[0][0], "predict_proba")
    shares = tuple(_mean([_share(each, code, votes) for each in found]) for code in range(len(estimator.classes_)))
    refused = merged(table.refused, *(each.refused for each in found))
    return Classification(tuple(estimator.classes_), first_greatest(shares), shares, (), refused)


def _inside(estimator: Any, table: Table) -> Iterator[tuple[Any, Table]]:
    for each, features in zip(estimator.estimators_, estimator.estimators_features_, strict=True):
        yield each, replace(table, columns=tuple(table.columns[feature] for feature in features), refused=())


def _share(outcome: Classification, code: int, votes: bool) -> Node:
    """Return what a classifier contributes to a class, given by its number: 0 if it has not seen the class."""
    codes = [int(each) for each in outcome.classes]
    if code not in codes:
        return Named("share", double(0))
    place = codes.index(code)
    if votes:
        return Named("vote", chosen(outcome, lambda index: float(index == place)))
    return outcome.probabilities[place]


def _mean(nodes: Sequence[Node]) -> Node:
    """Add up from the left, in steps: engines limit how deep an expression is."""
    sums: Node | None = None
    for first in range(0, len(nodes), TREES_A_STEP):
        terms = [ref(each) for each in nodes[first : first + TREES_A_STEP]]
        found = terms[0] if sums is None else add(ref(sums), terms[0])
        for term in terms[1:]:
            found = add(found, term)
        sums = Named("sum", found, kept=True)
    assert sums is not None  # noqa: S101 (no bagging is empty)
    return Named("mean", divide(ref(sums), double(len(nodes))))
