"""Both kinds of gradient boosting: raw sums equal to the last bit; the links use the C library's exp, or numpy's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.estimators.composition import Parts, transformed
from mlbridge.compile.formulas.argmax import first_greatest
from mlbridge.compile.formulas.links import raised, sigmoid, softmax
from mlbridge.compile.sql.columns import Table, numbers
from mlbridge.compile.sql.expressions import Named, Node, at_most, below, double, multiply, ref
from mlbridge.compile.sql.outcomes import Classification, Regression
from mlbridge.compile.trees.category_splits import Inputs
from mlbridge.compile.trees.tree import (
    TREES_A_STEP,
    Grown,
    Split,
    Tree,
    added_up,
    grown,
    numeric_split,
    together,
    tree_values,
)
from mlbridge.errors import CompileError

Comparison = Callable[[exp.Expression, exp.Expression], exp.Expression]


def hist_regressor(estimator: Any, table: Table, parts: Parts) -> Regression:
    """Translate HistGradientBoostingRegressor."""
    sums, refused, _ = _hist_sums(estimator, table, parts)
    link = type(estimator._loss.link).__name__
    if link == "LogLink":
        return Regression(tuple(Named("prediction", raised(ref(each))) for each in sums), refused)
    return Regression(sums, refused)


def hist_classifier(estimator: Any, table: Table, parts: Parts) -> Classification:
    """Translate HistGradientBoostingClassifier."""
    sums, refused, bound = _hist_sums(estimator, table, parts)
    return _classified(estimator.classes_, sums, refused, bound)


def _classified(
    classes: Any, sums: Sequence[Node], refused: tuple[Node, ...], bound: float, first: Comparison = at_most
) -> Classification:
    """Return the classes by their sums; of two classes, the first one is predicted if `first(sum, 0)` is true."""
    if len(sums) == 1:
        wins: tuple[Node, ...] = (Named("first", first(ref(sums[0]), double(0))),)
        return Classification(tuple(classes), wins, sigmoid(sums[0], bound), tuple(sums), refused)
    return Classification(tuple(classes), first_greatest(sums), softmax(sums), tuple(sums), refused)


def _hist_sums(estimator: Any, table: Table, parts: Parts) -> tuple[tuple[Node, ...], tuple[Node, ...], float]:
    """Return the raw sums, the conditions that refuse a row, and a bound of the sums' absolute values."""
    if table.sparse:
        raise CompileError(f"{type(estimator).__name__} takes no sparse matrix. Set sparse_output=False.")
    known = None
    if estimator._preprocessor is not None:
        table = transformed(parts, estimator._preprocessor, table)
        known = estimator._bin_mapper.make_known_categories_bitsets()
    inputs = _Inputs(table, known)
    width = max(1, TREES_A_STEP // estimator.n_trees_per_iteration_)
    starts = [double(each) for each in np.ravel(estimator._baseline_prediction)]
    rounds = [
        together([_walked(inputs.grown(each), each.nodes["value"]) for each in trees])
        for trees in estimator._predictors
    ]
    bound = float(np.abs(estimator._baseline_prediction).max())
    bound += sum(max(np.abs(each.nodes["value"]).max() for each in trees) for trees in estimator._predictors)
    return added_up(starts, rounds, width), table.refused, bound


def _walked(tree: Grown, values: Any) -> Tree:
    return lambda after: tree_values(tree, values.reshape(-1, 1), "tree", after)


class _Inputs:
    """The columns of a histogram gradient boosting: numbers, and categories as bits."""

    def __init__(self, table: Table, known: tuple[Any, Any] | None) -> None:
        self._inputs = Inputs(table.columns)
        self._known: Any = None if known is None else known[0]
        self._places: Any = None if known is None else known[1]

    def grown(self, predictor: Any) -> Grown:
        nodes = predictor.nodes
        leaves = nodes["is_leaf"].astype(bool)
        left = np.where(leaves, -1, nodes["left"].astype(np.int64)).tolist()
        right = np.where(leaves, -1, nodes["right"].astype(np.int64)).tolist()

        def split(node: int) -> Split:
            found = nodes[node]
            index, children = int(found["feature_idx"]), (left[node], right[node])
            missing_left = bool(found["missing_go_to_left"])
            if found["is_categorical"]:
                bitset = predictor.raw_left_cat_bitsets[found["bitset_idx"]]
                return self._among(index, _codes(bitset), missing_left, children)
            heavier_left = nodes["count"][children[0]] > nodes["count"][children[1]]
            threshold = float(found["num_threshold"])
            return numeric_split(self._inputs.number(index), threshold, missing_left, children, heavier_left)

        return Grown(left, right, split)

    def _among(self, index: int, codes: set[int], missing_left: bool, children: tuple[int, int]) -> Split:
        """Split by categories: a code that the fit has not seen goes where the missing ones go."""
        bits, known = self._inputs.bits(index), _codes(self._known[self._places[index]])
        return bits.split(lambda code: code in codes if code in known else missing_left, children)


def _codes(bitset: Any) -> set[int]:
    return {word * 32 + bit for word, bits in enumerate(bitset.tolist()) for bit in range(32) if bits >> bit & 1}


def gradient_boosting_regressor(estimator: Any, table: Table) -> Regression:
    """Translate GradientBoostingRegressor."""
    sums, refused, _ = _staged(estimator, table)
    return Regression(sums, refused)


def gradient_boosting_classifier(estimator: Any, table: Table) -> Classification:
    """Translate GradientBoostingClassifier, with the losses `log_loss` and `exponential`.

    A sum of 0 is of the second class here; that of HistGradientBoosting is of the first.
    """
    sums, refused, bound = _staged(estimator, table)
    if estimator.loss == "exponential":
        doubled = Named("score", multiply(double(2), ref(sums[0])))
        found = _classified(estimator.classes_, (doubled,), refused, 2 * bound, below)
        return replace(found, decisions=sums)
    return _classified(estimator.classes_, sums, refused, bound, below)


def _staged(estimator: Any, table: Table) -> tuple[tuple[Node, ...], tuple[Node, ...], float]:
    found, refused = numbers(table, missing=False, as_float=True)
    rate, rounds, bound = float(estimator.learning_rate), [], 0.0
    for trees in estimator.estimators_:
        values = [rate * each.tree_.value[:, 0, :1] for each in trees]
        bound += max(float(np.abs(each).max()) for each in values)
        rounds.append(
            together([_walked(grown(tree.tree_, found), each) for tree, each in zip(trees, values, strict=True)])
        )
    starts = _starts(estimator)
    bound += max(map(abs, starts))
    width = max(1, TREES_A_STEP // len(estimator.estimators_[0]))
    return added_up([double(each) for each in starts], rounds, width), refused, bound


def _starts(estimator: Any) -> list[float]:
    """Return the initial prediction, which scikit-learn takes from `init_`; it must be the same for all rows."""
    if type(estimator.init_).__name__ not in ("DummyClassifier", "DummyRegressor") and estimator.init_ != "zero":
        name, init = type(estimator).__name__, type(estimator.init_).__name__
        raise CompileError(f"{name}(init={init}): only the default and 'zero' are covered.")
    row = np.zeros((1, estimator.n_features_in_), dtype=np.float32)
    return [float(each) for each in np.ravel(estimator._raw_predict_init(row))]
