"""Gradient boosting, of both kinds: raw sums equal to the last bit; the links are the C library's exp, or numpy's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.columns import Classification, Mapped, Number, Regression, Table, number_of, numbers
from mlbridge.compile.composed import Parts, transformed
from mlbridge.compile.expressions import Looked, Named, Node, at_most, double, multiply, ref, whole
from mlbridge.compile.links import raised, sigmoid, softmax
from mlbridge.compile.trees import TREES_A_STEP, Grown, Split, Tree, added_up, grown, numeric_split, said
from mlbridge.compile.winners import first_greatest
from mlbridge.errors import CompileError

BITS = 62


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


def _classified(classes: Any, sums: Sequence[Node], refused: tuple[Node, ...], bound: float) -> Classification:
    if len(sums) == 1:
        wins: tuple[Node, ...] = (Named("first", at_most(ref(sums[0]), double(0))),)
        return Classification(tuple(classes), wins, sigmoid(sums[0], bound), tuple(sums), refused)
    return Classification(tuple(classes), first_greatest(sums), softmax(sums), tuple(sums), refused)


def _hist_sums(estimator: Any, table: Table, parts: Parts) -> tuple[tuple[Node, ...], tuple[Node, ...], float]:
    """Give the raw sums, the reasons to refuse a row, and what no sum can exceed."""
    if table.sparse:
        raise CompileError(f"{type(estimator).__name__} takes no sparse matrix. Set sparse_output=False.")
    known = None
    if estimator._preprocessor is not None:
        table = transformed(parts, estimator._preprocessor, table)
        known = estimator._bin_mapper.make_known_categories_bitsets()
    inputs = _Inputs(table, known)
    width = max(1, TREES_A_STEP // estimator.n_trees_per_iteration_)
    starts = [double(each) for each in np.ravel(estimator._baseline_prediction)]
    rounds = [_round([inputs.grown(each) for each in trees], trees) for trees in estimator._predictors]
    bound = float(np.abs(estimator._baseline_prediction).max())
    bound += sum(max(np.abs(each.nodes["value"]).max() for each in trees) for trees in estimator._predictors)
    return added_up(starts, rounds, width), table.refused, bound


def _round(trees: Sequence[Grown], predictors: Sequence[Any]) -> Tree:
    """One tree per class."""
    values = [each.nodes["value"].reshape(-1, 1) for each in predictors]

    def walked(after: Node | None) -> tuple[Node, ...]:
        return tuple(said(tree, value, "tree", after)[0] for tree, value in zip(trees, values, strict=True))

    return walked


class _Inputs:
    """The columns of a histogram gradient boosting: numbers, and categories as bits."""

    def __init__(self, table: Table, known: tuple[Any, Any] | None) -> None:
        self._columns = table.columns
        self._known: Any = None if known is None else known[0]
        self._places: Any = None if known is None else known[1]
        self._numbers: dict[int, Number] = {}
        self._bits: dict[tuple[int, int], Node] = {}

    def grown(self, predictor: Any) -> Grown:
        nodes = predictor.nodes
        leaves = nodes["is_leaf"].astype(bool)
        left = np.where(leaves, -1, nodes["left"].astype(np.int64)).tolist()
        right = np.where(leaves, -1, nodes["right"].astype(np.int64)).tolist()

        def split(node: int) -> Split:
            found = nodes[node]
            place, children = int(found["feature_idx"]), (left[node], right[node])
            missing_left = bool(found["missing_go_to_left"])
            if found["is_categorical"]:
                bitset = predictor.raw_left_cat_bitsets[found["bitset_idx"]]
                return self._among(place, _codes(bitset), missing_left, children)
            heavier_left = nodes["count"][children[0]] > nodes["count"][children[1]]
            return numeric_split(
                self._number(place), float(found["num_threshold"]), missing_left, children, heavier_left
            )

        return Grown(left, right, split)

    def _number(self, place: int) -> Number:
        if place not in self._numbers:
            self._numbers[place] = number_of(self._columns[place])
        return self._numbers[place]

    def _among(self, place: int, codes: set[int], missing_left: bool, children: tuple[int, int]) -> Split:
        """Split by categories: a code that the fit has not seen goes where the missing ones go."""
        left, right = children
        known = _codes(self._known[self._places[place]])
        if missing_left:
            return Split(lambda: self._test(place, known - codes), right, left)
        return Split(lambda: self._test(place, known & codes), left, right)

    def _test(self, place: int, codes: set[int]) -> exp.Expression:
        words = sorted({code // BITS for code in codes})
        tests = []
        for word in words:
            mask = sum(1 << (code % BITS) for code in codes if code // BITS == word)
            both = exp.BitwiseAnd(this=ref(self._word(place, word)), expression=whole(mask))
            tests.append(exp.NEQ(this=exp.Paren(this=both), expression=whole(0)))
        if not tests:
            return exp.false()
        test: exp.Expression = tests[0]
        for each in tests[1:]:
            test = exp.Or(this=test, expression=each)
        return test

    def _word(self, place: int, word: int) -> Node:
        """Give the column's category as one bit among those of the word, 0 for those of other words."""
        if (place, word) not in self._bits:
            column = self._columns[place]
            if not isinstance(column, Mapped):
                raise CompileError("a categorical feature of HistGradientBoosting is not encoded by a table.")
            bits = [_bit(code, word) for code in column.table]
            *values, missing, other = bits
            entries = tuple((key, float(bit)) for key, bit in zip(column.keys, values, strict=True) if bit != other)
            looked = Looked(f"{column.hint}_bit", column.source, entries, float(missing), float(other), integer=True)
            self._bits[(place, word)] = looked
        return self._bits[(place, word)]


def _bit(code: float, word: int) -> int:
    if np.isnan(code) or code < 0 or int(code) // BITS != word:
        return 0
    return 1 << (int(code) % BITS)


def _codes(bitset: Any) -> set[int]:
    return {word * 32 + bit for word, bits in enumerate(bitset.tolist()) for bit in range(32) if bits >> bit & 1}


def gradient_boosting_regressor(estimator: Any, table: Table) -> Regression:
    """Translate GradientBoostingRegressor."""
    sums, refused, _ = _staged(estimator, table)
    return Regression(sums, refused)


def gradient_boosting_classifier(estimator: Any, table: Table) -> Classification:
    """Translate GradientBoostingClassifier, with the losses `log_loss` and `exponential`."""
    sums, refused, bound = _staged(estimator, table)
    if estimator.loss == "exponential":
        doubled = Named("score", multiply(double(2), ref(sums[0])))
        found = _classified(estimator.classes_, (doubled,), refused, 2 * bound)
        return Classification(found.classes, found.wins, found.probabilities, sums, refused)
    return _classified(estimator.classes_, sums, refused, bound)


def _staged(estimator: Any, table: Table) -> tuple[tuple[Node, ...], tuple[Node, ...], float]:
    found, refused = numbers(table, missing=False, as_float=True)
    rate, rounds, bound = float(estimator.learning_rate), [], 0.0
    for trees in estimator.estimators_:
        shapes = [grown(each.tree_, found) for each in trees]
        values = [rate * each.tree_.value[:, 0, :1] for each in trees]
        bound += max(float(np.abs(each).max()) for each in values)
        rounds.append(_staged_round(shapes, values))
    starts = _starts(estimator)
    bound += max(map(abs, starts))
    width = max(1, TREES_A_STEP // len(estimator.estimators_[0]))
    return added_up([double(each) for each in starts], rounds, width), refused, bound


def _staged_round(shapes: Sequence[Grown], values: Sequence[Any]) -> Tree:
    def walked(after: Node | None) -> tuple[Node, ...]:
        return tuple(said(shape, value, "tree", after)[0] for shape, value in zip(shapes, values, strict=True))

    return walked


def _starts(estimator: Any) -> list[float]:
    """Give what the boosting starts from: scikit-learn asks its `init_` for it, which must be the same for all rows."""
    if type(estimator.init_).__name__ not in ("DummyClassifier", "DummyRegressor") and estimator.init_ != "zero":
        name, init = type(estimator).__name__, type(estimator.init_).__name__
        raise CompileError(f"{name}(init={init}): only the default and 'zero' are covered.")
    row = np.zeros((1, estimator.n_features_in_), dtype=np.float32)
    return [float(each) for each in np.ravel(estimator._raw_predict_init(row))]
