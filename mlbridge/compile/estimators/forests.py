"""Decision trees and forests of them: equal to scikit-learn's to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from mlbridge.compile.formulas.argmax import first_greatest
from mlbridge.compile.sql.columns import Floats, Table, numbers
from mlbridge.compile.sql.expressions import Named, Node, divide, double, ref
from mlbridge.compile.sql.number import Number
from mlbridge.compile.sql.outcomes import Classification, Regression, Several
from mlbridge.compile.trees.array_walks import forest
from mlbridge.compile.trees.tree import TREES_A_STEP, Tree, added_up, grown
from mlbridge.errors import CompileError


def tree_inputs(estimator: Any, table: Table) -> tuple[tuple[Number, ...], tuple[Node, ...]]:
    """Read the columns as a tree of `sklearn.tree` does: rounded to floats, missing ones allowed unless sparse."""
    allowed = bool(estimator.__sklearn_tags__().input_tags.allow_nan) and not table.sparse
    return numbers(table, missing=allowed, as_float=True)


def _planted(estimators: Sequence[Any], found: Sequence[Number], values: Callable[[Any], Floats]) -> list[Tree]:
    """Give the trees of fitted estimators; `values` gives the numbers of an estimator's nodes."""
    return forest([(grown(each.tree_, found), values(each)) for each in estimators])


def _outputs(estimator: Any) -> Floats:
    """Give for each node the mean of each output."""
    values: Floats = estimator.tree_.value[:, :, 0]
    return values


def decision_tree_regressor(estimator: Any, table: Table) -> Regression:
    """Translate DecisionTreeRegressor and ExtraTreeRegressor."""
    found, refused = tree_inputs(estimator, table)
    (tree,) = _planted([estimator], found, _outputs)
    return Regression(tree(None), refused)


def decision_tree_classifier(estimator: Any, table: Table) -> Classification | Several:
    """Translate DecisionTreeClassifier and ExtraTreeClassifier."""
    found, refused = tree_inputs(estimator, table)
    (tree,) = _planted([estimator], found, partial(_all_shares, estimator))
    return _classified(estimator, tree(None), refused)


def forest_regressor(estimator: Any, table: Table) -> Regression:
    """Translate RandomForestRegressor and ExtraTreesRegressor: the mean of the trees."""
    found, refused = tree_inputs(estimator.estimators_[0], table)
    trees = _planted(estimator.estimators_, found, _outputs)
    return Regression(_means(trees, estimator.n_outputs_), refused)


def forest_classifier(estimator: Any, table: Table) -> Classification | Several:
    """Translate RandomForestClassifier and ExtraTreesClassifier: the mean of the trees' shares."""
    found, refused = tree_inputs(estimator.estimators_[0], table)
    trees = _planted(estimator.estimators_, found, partial(_all_shares, estimator))
    return _classified(estimator, _means(trees, int(np.sum(estimator.n_classes_))), refused)


def _all_shares(estimator: Any, tree: Any) -> Floats:
    """Give for each node the shares of all classes, output after output."""
    counts = np.atleast_1d(estimator.n_classes_)
    return np.hstack([tree.tree_.value[:, output, :count] for output, count in enumerate(counts)])


def _means(trees: Sequence[Tree], width: int) -> tuple[Node, ...]:
    sums = added_up([None] * width, trees, TREES_A_STEP)
    return tuple(Named("mean", divide(ref(each), double(len(trees)))) for each in sums)


def _classified(estimator: Any, shares: Sequence[Node], refused: tuple[Node, ...]) -> Classification | Several:
    if estimator.n_outputs_ == 1:
        return Classification(tuple(estimator.classes_), first_greatest(shares), tuple(shares), (), refused)
    outcomes, start = [], 0
    for classes in estimator.classes_:
        own = tuple(shares[start : start + len(classes)])
        outcomes.append(Classification(tuple(classes), first_greatest(own), own, (), refused))
        start += len(classes)
    return Several(tuple(outcomes))


def check_single_output(estimator: Any) -> None:
    """Raise CompileError for a classifier with several outputs inside another estimator."""
    if getattr(estimator, "n_outputs_", 1) > 1:
        raise CompileError(f"{type(estimator).__name__} with several outputs is not covered inside another estimator.")
