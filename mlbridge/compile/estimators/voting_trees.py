"""AdaBoost and IsolationForest: votes, and trees whose leaves are turned into numbers first."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.tree import BaseDecisionTree
from sqlglot import exp

from mlbridge.compile.estimators.composition import Parts
from mlbridge.compile.estimators.ensembles import chosen, classifier, regressor
from mlbridge.compile.formulas.argmax import first_greatest
from mlbridge.compile.formulas.links import softmax
from mlbridge.compile.sql.columns import Floats, Table, merged, number_of, numbers
from mlbridge.compile.sql.expressions import (
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
from mlbridge.compile.sql.number import Number
from mlbridge.compile.sql.outcomes import Classification, Regression
from mlbridge.compile.trees.array_walks import forest
from mlbridge.compile.trees.tree import TREES_A_STEP, Grown, Tree, added_up, grown, tree_values
from mlbridge.compile.trees.weighted_median import median_of_numbers, median_of_trees
from mlbridge.errors import CompileError

# With more estimators the weighted median takes too many comparisons; regressors that are no trees need all pairs.
MOST_TREES, MOST_REGRESSORS = 100, 50


def adaboost_classifier(estimator: Any, table: Table, parts: Parts) -> Classification:
    """Translate AdaBoostClassifier (SAMME; Zhu et al., Statistics and Its Interface 2, 2009)."""
    found, refused = _inputs(estimator, table)
    classes = list(estimator.classes_)
    if len(classes) == 1:
        certain = Named("certain", double(1))
        return Classification(tuple(classes), (), (certain,), (Named("decision", double(0)),), refused)
    voters: list[Tree] = []
    for each, weight in zip(estimator.estimators_, estimator.estimator_weights_, strict=False):
        votes = np.where(np.eye(len(classes), dtype=bool), float(weight), -1 / (len(classes) - 1) * float(weight))
        votes = votes[:, 1:] if len(classes) == 2 else votes
        if _is_tree(each):
            voters.append(_walked(grown(each.tree_, found), votes[_best(each, classes)]))
        else:
            outcome = classifier(parts, each, table)
            refused = merged(refused, outcome.refused)
            voters.append(_voter(outcome, votes[[classes.index(label) for label in outcome.classes]]))
    width = 1 if len(classes) == 2 else len(classes)
    sums = added_up([None] * width, voters, TREES_A_STEP)
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
    parts_ = [Named("part", divide(ref(each), double(len(classes) - 1))) for each in shares]
    return Classification(tuple(classes), first_greatest(shares), softmax(parts_), tuple(shares), refused)


def adaboost_regressor(estimator: Any, table: Table, parts: Parts) -> Regression:
    """Translate AdaBoostRegressor: the weighted median (AdaBoost.R2; Drucker, ICML 1997)."""
    found, refused = _inputs(estimator, table)
    fitted = estimator.estimators_
    trees = all(map(_is_tree, fitted))
    most, kind = (MOST_TREES, "trees") if trees else (MOST_REGRESSORS, f"{type(fitted[0]).__name__}s")
    if len(fitted) > most:
        raise CompileError(
            f"AdaBoostRegressor over {len(fitted)} {kind} is not covered, over {most} it is: with more of them, "
            "the median is slower in an engine than in Python."
        )
    weights = estimator.estimator_weights_[: len(fitted)]
    if len(fitted) == 1:
        weights = np.ones(1)  # a first regressor that is no better than chance has the weight 0, and is alone
    if trees:
        shapes = [grown(each.tree_, found) for each in fitted]
        median = median_of_trees(shapes, [each.tree_.value[:, 0, 0] for each in fitted], weights)
        return Regression((median,), refused)
    regressors = [regressor(parts, each, table) for each in fitted]
    median = median_of_numbers([each.values[0] for each in regressors], weights)
    return Regression((median,), merged(refused, *(each.refused for each in regressors)))


def _is_tree(estimator: Any) -> bool:
    return isinstance(estimator, BaseDecisionTree)


def _inputs(estimator: Any, table: Table) -> tuple[tuple[Number, ...], tuple[Node, ...]]:
    """Read the columns as AdaBoost does, whose trees refuse what a float cannot hold."""
    return numbers(table, missing=False, as_float=any(map(_is_tree, estimator.estimators_)))


def _best(tree: Any, classes: list[Any]) -> Any:
    """Return for each node of a tree the position of the class that it predicts."""
    positions = np.array([classes.index(label) for label in tree.classes_])
    return positions[tree.tree_.value[:, 0, : len(positions)].argmax(axis=1)]


def _voter(outcome: Classification, votes: Floats) -> Tree:
    """Return what a classifier contributes to each sum: `votes` has a row for each of its classes."""
    return lambda _: tuple(Named("vote", chosen(outcome, column.__getitem__)) for column in votes.T)


def _walked(tree: Any, values: Floats) -> Tree:
    return lambda after: tree_values(tree, values, "tree", after)


def isolation_forest(estimator: Any, table: Table) -> Classification:
    """Translate IsolationForest: -1 for an outlier, whose decision is below 0, else 1."""
    found = [number_of(column) for column in table.columns]
    trees: list[tuple[Grown, Floats]] = []
    for number, (each, features) in enumerate(zip(estimator.estimators_, estimator.estimators_features_, strict=True)):
        lengths = estimator._decision_path_lengths[number] + estimator._average_path_length_per_tree[number] - 1.0
        shape = grown(each.tree_, [found[feature] for feature in features])
        trees.append((shape, np.asarray(lengths, dtype=np.float64).reshape(-1, 1)))
    (depths,) = added_up([double(0)], forest(trees), TREES_A_STEP)
    scale = _expected_depth(estimator)
    power = double(-1.0) if scale == 0 else negative(divide(ref(depths), double(scale)))
    score = exp.Pow(this=double(2), expression=power)
    decision = Named("decision", subtract(negative(score), double(float(estimator.offset_))))
    wins = (Named("outlier", below(ref(decision), double(0))),)
    return Classification((-1, 1), wins, (), (decision,), table.refused)


def _expected_depth(estimator: Any) -> float:
    """Return the number of trees times the mean depth of an isolation tree of that many rows (Liu, Ting, Zhou 2008)."""
    rows = float(estimator._max_samples)
    if rows <= 1:
        return 0.0
    mean = 1.0 if rows == 2 else 2.0 * (np.log(rows - 1.0) + np.euler_gamma) - 2.0 * (rows - 1.0) / rows
    return float(len(estimator.estimators_) * mean)
