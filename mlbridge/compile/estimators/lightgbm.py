"""LightGBM, read from the model that it saves: sums and links equal to the last bit.

How it scores: LightGBM 4, `tree.h` (NumericalDecision, CategoricalDecision), `gbdt_prediction.cpp`, and ConvertOutput
of each objective. It takes any number, infinite ones too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlbridge.compile.formulas.argmax import first_greatest
from mlbridge.compile.formulas.categories import coded
from mlbridge.compile.formulas.links import raised, sigmoid, softmax
from mlbridge.compile.sql.columns import Column, Floats, Table
from mlbridge.compile.sql.expressions import Named, Node, below, case, divide, double, multiply, negative, ref
from mlbridge.compile.sql.outcomes import Classification, Regression
from mlbridge.compile.trees.category_splits import Inputs, runs
from mlbridge.compile.trees.tree import TREES_A_STEP, Grown, Split, Tree, added_up, numeric_split, together, tree_values
from mlbridge.errors import CompileError, listed

# LightGBM treats numbers of at most this absolute value as 0; it defines the constant as a float.
ZERO = float(np.float32(1e-35))
BELOW_ZERO = float(np.nextafter(-ZERO, -np.inf))
AS_THEY_ARE = ("regression", "regression_l1", "huber", "fair", "quantile", "mape")
RAISED = ("poisson", "gamma", "tweedie")
# Bits of a split's `decision_type`, and values of the two bits above them: which numbers count as missing.
CATEGORICAL, DEFAULT_LEFT = 1, 2
NOTHING_IS, NAN_IS = 0, 2


def classifier(estimator: Any, table: Table) -> Classification:
    """Translate LGBMClassifier."""
    model, classes = _Model(estimator), tuple(estimator.classes_)
    model.check_objective("binary", "multiclass", "multiclassova")
    if len(classes) == 1 or model.width != (1 if len(classes) == 2 else len(classes)):
        raise CompileError(f"{model.name}: {model.width} scores for {len(classes)} classes are not covered.")
    sums = model.sums(table)
    if model.objective == "binary":
        probabilities: tuple[Node, ...] = model.sigmoid(sums[0])
    elif model.objective == "multiclass":
        probabilities = softmax(sums)
    else:
        probabilities = tuple(model.sigmoid(each)[1] for each in sums)
    return Classification(classes, first_greatest(probabilities), probabilities, sums, table.refused)


def regressor(estimator: Any, table: Table) -> Regression:
    """Translate LGBMRegressor."""
    model = _Model(estimator)
    model.check_objective(*AS_THEY_ARE, *RAISED, "cross_entropy")
    (total,) = model.sums(table)
    if model.objective in RAISED:
        total = Named("prediction", raised(ref(total)))
    elif model.objective == "cross_entropy":
        total = model.sigmoid(total)[1]
    elif "sqrt" in model.options:
        square = multiply(ref(total), ref(total))
        total = Named("prediction", case([(below(ref(total), double(0)), negative(square))], square.copy()))
    return Regression((total,), table.refused)


Fields = Mapping[str, str]


class _Model:
    """What an estimator's booster saves: `key=value` lines for the model, then for each tree."""

    def __init__(self, estimator: Any) -> None:
        """Read the trees up to the best iteration, if training has stopped early."""
        self.name = type(estimator).__name__
        text = estimator.booster_.model_to_string()
        trees, _, facts = text.partition("\nend of trees\n")
        head, *self.trees = map(_fields, trees.split("\nTree="))
        self.objective, *options = head.get("objective", "custom").split()
        self.options = {key: value for key, _, value in (each.partition(":") for each in options)}
        self.averages = "average_output" in head
        self.width = int(head["num_tree_per_iteration"])
        self.categories = estimator.booster_.pandas_categorical or []
        self.categorical = _categorical(facts)
        if any(int(tree.get("is_linear", 0)) for tree in self.trees):
            raise CompileError(f"{self.name}(linear_tree=True) is not covered: its leaves are linear models.")
        if estimator.get_params().get("pred_early_stop"):
            raise CompileError(f"{self.name}(pred_early_stop=True) is not covered: it leaves out trees.")

    def check_objective(self, *covered: str) -> None:
        """Refuse an objective whose link is not known."""
        if self.objective not in covered:
            raise CompileError(
                f"{self.name}(objective={self.objective!r}) is not covered. Covered are {listed(covered)}."
            )

    def sums(self, table: Table) -> tuple[Node, ...]:
        """Add the trees up, those of each class apart; the mean of them where the boosting is a random forest."""
        inputs = Inputs(self._columns(table))
        trees = [_walked(tree, inputs) for tree in self.trees]
        rounds = [together(trees[first : first + self.width]) for first in range(0, len(trees), self.width)]
        sums = added_up([None] * self.width, rounds, max(1, TREES_A_STEP // self.width))
        if self.averages:
            return tuple(Named("mean", divide(ref(each), double(len(rounds)))) for each in sums)
        return sums

    def sigmoid(self, score: Node) -> tuple[Node, Node]:
        """Give 1 - p and p = 1 / (1 + exp(-slope * score)); the slope is the parameter `sigmoid`."""
        slope = float(self.options.get("sigmoid", 1))
        bound = slope * sum(float(np.abs(_floats(tree["leaf_value"])).max()) for tree in self.trees)
        return sigmoid(score if slope == 1 else Named("score", multiply(ref(score), double(slope))), bound)

    def _columns(self, table: Table) -> Sequence[Column]:
        """Give the columns as the trees see them: pandas categories by their codes."""
        if len(self.categories) not in (0, len(self.categorical)):
            raise CompileError(
                f"{self.name}: {len(self.categories)} columns were pandas categories when it was fitted, and "
                f"{len(self.categorical)} of its features are categorical. Neither ordered categories nor "
                "`categorical_feature` beside pandas categories are covered."
            )
        columns = list(table.columns)
        for index, categories in zip(self.categorical, self.categories, strict=False):
            columns[index] = coded(self.name, columns[index], categories, math.nan)
        return columns


def _fields(block: str) -> Fields:
    return {key: value for key, _, value in (line.partition("=") for line in block.splitlines())}


def _categorical(facts: str) -> list[int]:
    """Find the indices of the categorical features among the parameters that the booster was trained with."""
    found = re.search(r"^\[categorical_feature: ([\d,]+)\]$", facts, re.MULTILINE)
    return [int(index) for index in found[1].split(",")] if found else []


def _floats(text: str) -> Floats:
    return np.array(text.split(), dtype=np.float64)


def _integers(text: str) -> list[int]:
    return [int(each) for each in text.split()]


def _walked(tree: Fields, inputs: Inputs) -> Tree:
    """Read a tree: its splits are the first nodes, its leaves come after them."""
    values = _floats(tree["leaf_value"])
    inner, leaves = len(values) - 1, [-1] * len(values)
    left, right = (
        [child if child >= 0 else inner + ~child for child in _integers(tree[side])]
        for side in ("left_child", "right_child")
    )
    counts = _integers(tree["internal_count"]) + _integers(tree["leaf_count"])
    indices, kinds, thresholds = (tree[name].split() for name in ("split_feature", "decision_type", "threshold"))

    def split(node: int) -> Split:
        index, kind, threshold = int(indices[node]), int(kinds[node]), float(thresholds[node])
        children = (left[node], right[node])
        if kind & CATEGORICAL:
            return inputs.split(index, runs(_categories(tree, int(threshold)), _below), children, missing_inside=False)
        return _numeric(inputs, index, kind, threshold, children, counts[left[node]] > counts[right[node]])

    shape = Grown(left + leaves, right + leaves, split)
    node_values = np.concatenate([np.zeros(inner), values]).reshape(-1, 1)
    return lambda after: tree_values(shape, node_values, "tree", after)


def _numeric(
    inputs: Inputs, index: int, kind: int, threshold: float, children: tuple[int, int], heavier_left: bool
) -> Split:
    """Split at x <= threshold. Missing values (NaN, or 0 too) go to the default side; else NaN goes where 0 goes."""
    if abs(threshold) <= ZERO:
        threshold = ZERO if threshold >= 0 else BELOW_ZERO
    zero_left, default_left = threshold >= 0, bool(kind & DEFAULT_LEFT)
    missing = kind >> 2 & 3
    if missing == NOTHING_IS:
        return numeric_split(inputs.number(index), threshold, zero_left, children, heavier_left)
    if missing == NAN_IS or zero_left == default_left:
        return numeric_split(inputs.number(index), threshold, default_left, children, heavier_left)
    if default_left:
        right = [(threshold, BELOW_ZERO), (ZERO, math.inf)]
        return inputs.split(index, right, children[::-1], missing_inside=False)
    return inputs.split(index, [(-math.inf, BELOW_ZERO), (ZERO, threshold)], children, missing_inside=False)


def _categories(tree: Fields, index: int) -> list[int]:
    """Read a set of categories, which are bits in words of 32."""
    first, end = _integers(tree["cat_boundaries"])[index : index + 2]
    words = _integers(tree["cat_threshold"])[first:end]
    return [word * 32 + bit for word, bits in enumerate(words) for bit in range(32) if bits >> bit & 1]


def _below(category: int) -> float:
    """Return the greatest double that truncates to a smaller category; numbers above -1 truncate to 0."""
    return -1.0 if category == 0 else float(np.nextafter(category, -np.inf))
