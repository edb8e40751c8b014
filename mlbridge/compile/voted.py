"""AdaBoost and IsolationForest: trees whose leaves are turned into numbers first."""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.columns import Classification, Floats, Table, number_of, numbers
from mlbridge.compile.expressions import (
    Named,
    Node,
    add,
    at_most,
    below,
    divide,
    double,
    negative,
    ref,
    subtract,
)
from mlbridge.compile.links import softmax
from mlbridge.compile.trees import TREES_A_STEP, Tree, added_up, grown, said
from mlbridge.compile.winners import first_greatest
from mlbridge.errors import CompileError


def adaboost_classifier(estimator: Any, table: Table) -> Classification:
    """Translate AdaBoostClassifier over decision trees (SAMME; Zhu et al., Statistics and Its Interface 2, 2009)."""
    found, refused = numbers(table, missing=False, as_float=True)
    classes = list(estimator.classes_)
    trees: list[Tree] = []
    for each, weight in zip(estimator.estimators_, estimator.estimator_weights_, strict=False):
        if type(each).__name__ not in ("DecisionTreeClassifier", "ExtraTreeClassifier"):
            raise CompileError(
                f"AdaBoostClassifier over {type(each).__name__} is not covered; over decision trees it is."
            )
        votes = _votes(each, classes, float(weight))
        trees.append(_walked(grown(each.tree_, found), votes[:, 1:] if len(classes) == 2 else votes))
    width = 1 if len(classes) == 2 else len(classes)
    sums = added_up([None] * width, trees, TREES_A_STEP)
    whole = double(float(estimator.estimator_weights_.sum()))
    shares: list[Node] = [Named("share", divide(ref(each), whole.copy())) for each in sums]
    if width == 1:
        decision = Named("decision", add(ref(shares[0]), ref(shares[0])))
        halves = [
            Named("half", divide(negative(ref(decision)), double(2))),
            Named("half", divide(ref(decision), double(2))),
        ]
        wins: tuple[Node, ...] = (Named("first", at_most(ref(decision), double(0))),)
        return Classification(tuple(classes), wins, softmax(halves), (decision,), refused)
    parts = [Named("part", divide(ref(each), double(len(classes) - 1))) for each in shares]
    return Classification(tuple(classes), first_greatest(shares), softmax(parts), tuple(shares), refused)


def _votes(tree: Any, classes: list[Any], weight: float) -> Floats:
    """Give for each node what its leaf adds to each class: the weight to its own, a share of it off the others."""
    places = np.array([classes.index(label) for label in tree.classes_])
    best = places[tree.tree_.value[:, 0, : len(places)].argmax(axis=1)]
    return np.where(best[:, None] == np.arange(len(classes)), weight, -1 / (len(classes) - 1) * weight)


def _walked(tree: Any, values: Floats) -> Tree:
    return lambda after: said(tree, values, "tree", after)


def isolation_forest(estimator: Any, table: Table) -> Classification:
    """Translate IsolationForest: -1 for an outlier, whose decision is below 0, else 1."""
    found = [number_of(column) for column in table.columns]
    trees: list[Tree] = []
    for place, (each, features) in enumerate(zip(estimator.estimators_, estimator.estimators_features_, strict=True)):
        lengths = estimator._decision_path_lengths[place] + estimator._average_path_length_per_tree[place] - 1.0
        shape = grown(each.tree_, [found[feature] for feature in features])
        trees.append(_walked(shape, np.asarray(lengths, dtype=np.float64).reshape(-1, 1)))
    (depths,) = added_up([double(0)], trees, TREES_A_STEP)
    scale = _expected_depth(estimator)
    power = double(-1.0) if scale == 0 else negative(divide(ref(depths), double(scale)))
    score = exp.Pow(this=double(2), expression=power)
    decision = Named("decision", subtract(negative(score), double(float(estimator.offset_))))
    wins = (Named("outlier", below(ref(decision), double(0))),)
    return Classification((-1, 1), wins, (), (decision,), table.refused)


def _expected_depth(estimator: Any) -> float:
    """Give the trees' number times the mean depth of an isolation tree of so many rows (Liu, Ting and Zhou, 2008)."""
    rows = float(estimator._max_samples)
    if rows <= 1:
        return 0.0
    mean = 1.0 if rows == 2 else 2.0 * (np.log(rows - 1.0) + np.euler_gamma) - 2.0 * (rows - 1.0) / rows
    return float(len(estimator.estimators_) * mean)
