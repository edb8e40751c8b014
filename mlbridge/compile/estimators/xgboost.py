"""XGBoost, read from the model that it saves: equal to the last bit where the engine has floats of 32 bits.

How it scores: XGBoost 3, `cpu_predictor.cc`, `predict_fn.h`, `categorical.h`, `gbtree.cc` (for dart) and PredTransform
of each objective: features, leaves, sums and links are such floats. It takes any number, infinite ones too.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.formulas.argmax import first_greatest
from mlbridge.compile.formulas.categories import coded
from mlbridge.compile.formulas.float32 import as_double, raised, sigmoid, single, softmax
from mlbridge.compile.sql.columns import Column, Mapped, Table, equals, merged, number_of
from mlbridge.compile.sql.expressions import Named, Node, Walked, above, at_most, both, case, double, ref
from mlbridge.compile.sql.number import FLOAT_OVERFLOW, computed
from mlbridge.compile.sql.outcomes import Classification, Regression
from mlbridge.compile.trees.category_splits import Inputs, runs
from mlbridge.compile.trees.tree import (
    TREES_A_STEP,
    Grown,
    Split,
    Tree,
    added_up,
    as_double_thresholds,
    numeric_split,
    together,
)
from mlbridge.errors import CompileError, listed

Singles = np.ndarray[Any, np.dtype[np.float32]]
# A category that was not there when the model was fitted.
NO_CATEGORY = -1.0

AS_THEY_ARE = (
    "reg:squarederror", "reg:squaredlogerror", "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror",
)  # fmt: skip
LOGISTIC = ("binary:logistic", "reg:logistic")
RAISED = ("count:poisson", "reg:gamma", "reg:tweedie")
SEVERAL = ("multi:softprob", "multi:softmax")


def classifier(estimator: Any, table: Table) -> Classification:
    """Translate XGBClassifier."""
    model, classes = _Model(estimator), tuple(estimator.classes_)
    if len(classes) == 1 or model.width != (1 if len(classes) == 2 else len(classes)):
        raise CompileError(f"{model.name}: {model.width} scores for {len(classes)} classes are not covered.")
    model.check_objective(LOGISTIC if len(classes) == 2 else SEVERAL)
    sums, refused = model.sums(table)
    if len(classes) == 2:
        first, second = sigmoid(sums[0])
        wins: tuple[Node, ...] = (Named("first", at_most(ref(second), double(0.5))),)
        return Classification(classes, wins, (first, second), (), refused)
    probabilities = softmax(sums)
    greatest = sums if model.objective == "multi:softmax" else probabilities
    return Classification(classes, first_greatest(greatest), probabilities, (), refused)


def regressor(estimator: Any, table: Table) -> Regression:
    """Translate XGBRegressor; with several outputs it has a tree for each."""
    model = _Model(estimator)
    model.check_objective((*AS_THEY_ARE, *LOGISTIC, *RAISED))
    sums, refused = model.sums(table)
    if model.objective in LOGISTIC:
        return Regression(tuple(sigmoid(each)[1] for each in sums), refused)
    return Regression(tuple(map(raised, sums)) if model.objective in RAISED else sums, refused)


class _Model:
    """What an estimator's booster saves, as JSON: floats in as many digits as they need."""

    def __init__(self, estimator: Any) -> None:
        """Read the trees up to the best iteration, if training has stopped early."""
        self.name = type(estimator).__name__
        self._estimator = estimator
        self._saved = json.loads(estimator.get_booster().save_raw("json"))
        learner = self._saved["learner"]
        booster = learner["gradient_booster"]
        if booster["name"] not in ("gbtree", "dart"):
            raise CompileError(
                f"{self.name}(booster={booster['name']!r}) is not covered. Covered are 'gbtree', 'dart'."
            )
        self.objective = learner["objective"]["name"]
        self._trees = booster.get("gbtree", booster)["model"]
        # dart's weights of the trees; before XGBoost 3.4 they stand beside the model.
        self._weights = self._trees.pop("weight_drop", None) or booster.get("weight_drop")
        self._weighs_differences = "weight_drop" in booster
        best = getattr(estimator, "best_iteration", None)
        self._count = self._trees["iteration_indptr"][-1 if best is None else best + 1]
        if any(int(tree["tree_param"]["size_leaf_vector"]) > 1 for tree in self._trees["trees"]):
            raise CompileError(
                f"{self.name}(multi_strategy='multi_output_tree') is not covered. Covered is 'one_output_per_tree'."
            )
        self.width = max(self._trees["tree_info"]) + 1

    def check_objective(self, covered: Sequence[str]) -> None:
        """Refuse an objective whose link is not known."""
        if self.objective not in covered:
            raise CompileError(
                f"{self.name}(objective={self.objective!r}) is not covered here. Covered are {listed(covered)}."
            )

    def sums(self, table: Table) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
        """Add the trees of each output up, as floats; give the sums, as doubles, and the reasons to refuse a row."""
        columns, refused = self._columns(table)
        inputs, starts = Inputs(columns), self._starts()
        trees: list[list[Tree]] = [[] for _ in starts]
        for index, (saved, output) in enumerate(zip(self._trees["trees"], self._trees["tree_info"], strict=True)):
            if index < self._count:
                trees[output].append(_walked(saved, self._leaves(index, starts[output]), inputs))
        rounds = [together(each) for each in zip(*trees, strict=True)]
        added = added_up([single(double(start)) for start in starts], rounds, max(1, TREES_A_STEP // self.width))
        return tuple(Named("score", as_double(ref(each))) for each in added), refused

    def _starts(self) -> Singles:
        """Return the base scores: XGBoost scores a row with a copy of the model that has one tree of 0 per output."""
        learner, nothing = self._saved["learner"], _constant_zero(self._trees["trees"][0])
        model = {
            **self._trees,
            "gbtree_model_param": {"num_trees": str(self.width), "num_parallel_tree": "1"},
            "trees": [{**nothing, "id": output} for output in range(self.width)],
            "tree_info": list(range(self.width)),
            "iteration_indptr": [0, self.width],
        }
        booster = {"name": "gbtree", "model": model}
        saved = {**self._saved, "learner": {**learner, "attributes": {}, "gradient_booster": booster}}
        scorer = type(self._estimator.get_booster())()
        scorer.load_model(bytearray(json.dumps(saved).encode()))
        row = np.zeros((1, int(learner["learner_model_param"]["num_feature"])))
        return np.ravel(scorer.inplace_predict(row, predict_type="margin", validate_features=False))

    def _leaves(self, index: int, start: np.float32) -> Singles:
        """Return the value of each node of a tree as a leaf; dart once weighted the difference to the base score."""
        leaves = np.array(self._trees["trees"][index]["split_conditions"], dtype=np.float32)
        if not self._weights:
            return leaves
        moved = (start + leaves) - start if self._weighs_differences else leaves
        return moved * np.float32(self._weights[index])

    def _columns(self, table: Table) -> tuple[list[Column], tuple[Node, ...]]:
        """Give the columns as the trees see them, pandas categories by their codes, and the reasons to refuse a row."""
        if table.sparse:
            raise CompileError(f"{self.name} takes the zeros of a sparse matrix for missing. Set sparse_output=False.")
        columns, refused = list(table.columns), []
        for index, encoding in enumerate(self._trees["cats"]["enc"]):
            categories = self._categories(encoding)
            if categories:
                column = columns[index] = coded(self.name, columns[index], categories, NO_CATEGORY)
                unknown = column.with_table((column.table == NO_CATEGORY).astype(np.float64))
                refused.append(Named("unknown", equals(unknown.number.node, 1)))
        missing = float(self._estimator.missing)
        if not math.isnan(missing):
            columns = [_without(column, missing) for column in columns]
        return columns, merged(table.refused, refused)

    def _categories(self, encoding: Mapping[str, Any]) -> list[Any]:
        """Read the pandas categories of a column: whole numbers, or texts, of which the offsets are given."""
        values = encoding["values"]
        if "offsets" not in encoding:
            return list(values)
        if any(byte < 0 for byte in values):
            raise CompileError(
                f"{self.name}: a category is not an ASCII text, and XGBoost itself confuses such categories. "
                "Encode them first."
            )
        text = bytes(values).decode()
        return [text[start:end] for start, end in itertools.pairwise(encoding["offsets"])]


def _constant_zero(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Give a tree that is one leaf of 0, in the form of another tree."""
    fields = {key: value[:1] if isinstance(value, list) else value for key, value in tree.items()}
    nothing: dict[str, list[Any]] = {key: [] for key in fields if key.startswith("categories")}
    leaf = {"left_children": [-1], "right_children": [-1], "split_conditions": [0.0], "split_type": [0]}
    return {**fields, **nothing, **leaf, "tree_param": {**tree["tree_param"], "num_nodes": "1", "num_deleted": "0"}}


def _without(column: Column, missing: float) -> Column:
    """Give the column without the number that stands for what is missing; both are floats."""
    low, high = _below(missing), _at_most(missing)
    if isinstance(column, Mapped):
        table = column.table
        return column.with_table(np.where((table > low) & (table <= high), np.nan, table))
    number = number_of(column)
    same = both([above(ref(number.node), double(low)), at_most(ref(number.node), double(high))])
    return computed(number.node.hint, case([(same, exp.null())], ref(number.node)), [number])


def _walked(tree: Mapping[str, Any], leaves: Singles, inputs: Inputs) -> Tree:
    left, right, weights = tree["left_children"], tree["right_children"], tree["sum_hessian"]
    sets = {
        node: tree["categories"][first : first + size]
        for node, first, size in zip(
            tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True
        )
    }

    def split(node: int) -> Split:
        index, missing_left = tree["split_indices"][node], bool(tree["default_left"][node])
        children = (left[node], right[node])
        if node in sets:  # which go to the right
            return inputs.split(index, runs(sets[node], _below), children[::-1], missing_inside=not missing_left)
        end = _below(tree["split_conditions"][node])
        return numeric_split(
            inputs.number(index), end, missing_left, children, weights[left[node]] > weights[right[node]]
        )

    # The shortest digits that are read as the same float.
    values = [float(str(leaf)) for leaf in leaves]
    shape = Grown(left, right, split)
    found = Walked(shape, np.asarray(leaves, dtype=np.float32))
    return lambda after: (Named("tree", single(shape.expression(values, double)), kept=True, after=after, tree=found),)


def _below(number: float) -> float:
    """Give the greatest double that is, as a float, below a float."""
    lower = np.nextafter(np.float32(number), np.float32(-np.inf))
    return -FLOAT_OVERFLOW if np.isneginf(lower) else _at_most(float(lower))


def _at_most(number: float) -> float:
    """Give the greatest double that is, as a float, at most a float."""
    return float(as_double_thresholds(np.array([number], dtype=np.float64))[0])
