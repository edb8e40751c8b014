"""CatBoost, read from the model that it saves: sums and sigmoids equal to the last bit.

How it scores: CatBoost 1.2, `evaluator_impl.cpp` (features are floats of 32 bits, leaves and sums doubles) and
`eval_helpers.cpp` (links). It takes any number, infinite ones too.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlbridge.compile.formulas.argmax import first_greatest
from mlbridge.compile.formulas.links import raised, sigmoid, softmax
from mlbridge.compile.sql.columns import Table
from mlbridge.compile.sql.expressions import Named, Node, Pick, add, at_most, case, double, multiply, ref, whole
from mlbridge.compile.sql.outcomes import Classification, Regression
from mlbridge.compile.trees.category_splits import Inputs
from mlbridge.compile.trees.tree import (
    TREES_A_STEP,
    Grown,
    Split,
    Tree,
    added_up,
    as_double_thresholds,
    numeric_split,
    tree_values,
)
from mlbridge.errors import CompileError, listed

LOGISTIC = ("Logloss", "CrossEntropy")
EACH_CLASS = "MultiClassOneVsAll"
RAISED = ("Poisson", "Tweedie")
AS_THEY_ARE = (
    "RMSE", "MAE", "Quantile", "LogLinQuantile", "MAPE", "Lq", "Huber", "Expectile", "LogCosh", "MultiRMSE",
    "MultiQuantile",
)  # fmt: skip


def classifier(estimator: Any, table: Table) -> Classification:
    """Translate CatBoostClassifier."""
    model, classes = _Model(estimator), tuple(np.asarray(estimator.classes_).tolist())
    model.check_objective(*LOGISTIC, "MultiClass", EACH_CLASS)
    if "binclass_probability_threshold" in model.facts:
        raise CompileError(f"{model.name}: set_probability_threshold() is not covered. Use FixedThresholdClassifier.")
    if model.width != (1 if model.objective in LOGISTIC else len(classes)):
        raise CompileError(f"{model.name}: {model.width} scores for {len(classes)} classes are not covered.")
    sums = model.sums(table)
    if model.objective in LOGISTIC:
        first = Named("first", at_most(ref(sums[0]), double(0)))
        return Classification(classes, (first,), sigmoid(sums[0], model.bound), (), table.refused)
    each_class = model.objective == EACH_CLASS
    probabilities = tuple(sigmoid(each, model.bound)[1] for each in sums) if each_class else softmax(sums)
    return Classification(classes, first_greatest(sums), probabilities, (), table.refused)


def regressor(estimator: Any, table: Table) -> Regression:
    """Translate CatBoostRegressor; with several outputs each leaf has a number for each."""
    model = _Model(estimator)
    model.check_objective(*AS_THEY_ARE, *RAISED)
    sums = model.sums(table)
    if model.objective in RAISED:
        return Regression(tuple(Named("prediction", raised(ref(each))) for each in sums), table.refused)
    return Regression(sums, table.refused)


class _Model:
    """What an estimator saves, as JSON: doubles in as many digits as they need."""

    def __init__(self, estimator: Any) -> None:
        """Read the trees; training that has stopped early saves those up to the best iteration."""
        self.name = type(estimator).__name__
        saved = _saved(estimator)
        self._columns = len(estimator.feature_names_)
        self.facts = saved["model_info"]
        self.objective = self.facts["params"]["loss_function"]["type"]
        self._features = saved["features_info"].get("float_features", [])
        others = sorted(set(saved["features_info"]) - {"float_features"})
        if others:
            raise CompileError(
                f"{self.name}: {listed(others)} are not covered, because CatBoost makes numbers of them by hashes and "
                "statistics of its own. Encode them before, as with OrdinalEncoder."
            )
        self._trees = saved.get("oblivious_trees") or saved.get("trees") or []
        scale, starts = saved["scale_and_bias"]
        self._scale, self._starts = float(scale), [float(each) for each in starts]
        self.width = len(self._starts)

    def check_objective(self, *covered: str) -> None:
        """Refuse an objective whose link is not known."""
        if self.objective not in covered:
            raise CompileError(
                f"{self.name}(loss_function={self.objective!r}) is not covered. Covered are {listed(covered)}."
            )

    @property
    def bound(self) -> float:
        """Give what no score's absolute value is above."""
        leaves = sum(float(np.abs(np.array(values)).max()) for values in map(_leaves, self._trees))
        return abs(self._scale) * leaves + max(map(abs, self._starts))

    def sums(self, table: Table) -> tuple[Node, ...]:
        """Add the trees up, those of each class apart, then scale and shift the sums."""
        if len(table.columns) != self._columns:
            raise CompileError(f"{self.name} was fitted on {self._columns} columns, and is given {len(table.columns)}.")
        if not self._trees:
            return tuple(Named("score", double(start)) for start in self._starts)
        inputs = Inputs(table.columns)
        sums = added_up([None] * self.width, [self._walked(tree, inputs) for tree in self._trees], TREES_A_STEP)
        return tuple(
            Named("score", add(multiply(ref(total), double(self._scale)), double(start)))
            for total, start in zip(sums, self._starts, strict=True)
        )

    def _walked(self, tree: Mapping[str, Any], inputs: Inputs) -> Tree:
        return self._oblivious(tree, inputs) if "leaf_values" in tree else self._grown(tree, inputs)

    def _oblivious(self, tree: Mapping[str, Any], inputs: Inputs) -> Tree:
        """Read a tree with one split a level: each says a bit of the leaf's index."""
        leaves = np.array(tree["leaf_values"], dtype=np.float64).reshape(-1, self.width)
        splits = [self._split(each, inputs, (0, 1 << level)) for level, each in enumerate(tree["splits"] or [])]
        if not splits:
            return lambda after: tuple(Named("tree", double(number)) for number in leaves[0])

        def walked(after: Node | None) -> tuple[Node, ...]:
            index = whole(1)
            for split in splits:
                index = add(index, case([(split.test(), whole(split.then))], whole(split.other)))
            leaf = Named("leaf", index, kept=True, after=after)
            return tuple(
                Named(
                    "tree",
                    Pick(this=ref(leaf), expressions=list(map(double, numbers.tolist()))),
                    within=(float(numbers.min()), float(numbers.max())),
                )
                for numbers in leaves.T
            )

        return walked

    def _grown(self, tree: Mapping[str, Any], inputs: Inputs) -> Tree:
        """Read a tree whose branches have splits of their own, as a list with the children after their parents."""
        nodes, left, right = [tree], [], []
        for node in nodes:
            inner = "split" in node
            left.append(len(nodes) if inner else -1)
            right.append(len(nodes) + 1 if inner else -1)
            nodes.extend([node["left"], node["right"]] if inner else [])
        values = np.array([np.broadcast_to(each.get("value", 0.0), self.width) for each in nodes], dtype=np.float64)
        shape = Grown(left, right, lambda node: self._split(nodes[node]["split"], inputs, (left[node], right[node])))
        return lambda after: tree_values(shape, values, "tree", after)

    def _split(self, split: Mapping[str, Any], inputs: Inputs, children: tuple[int, int]) -> Split:
        """Split at x > border, where NaN is above each border or none; `children` are those of no and yes."""
        feature = self._features[split["float_feature_index"]]
        end = float(as_double_thresholds(np.array([split["border"]], dtype=np.float64))[0])
        nan_is_above = feature["nan_value_treatment"] == "AsTrue"
        return numeric_split(inputs.number(feature["flat_feature_index"]), end, not nan_is_above, children, False)


def _saved(estimator: Any) -> dict[str, Any]:
    """Read the model as CatBoost writes it, which it does to a file only."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.json"
        estimator.save_model(str(file), format="json")
        saved: dict[str, Any] = json.loads(file.read_text())
        return saved


def _leaves(tree: Mapping[str, Any]) -> Any:
    """Give the numbers of a tree's leaves, in any order."""
    if "leaf_values" in tree:
        return tree["leaf_values"]
    if "split" not in tree:
        return np.ravel(tree["value"])
    return np.concatenate([np.ravel(_leaves(tree["left"])), np.ravel(_leaves(tree["right"]))])
