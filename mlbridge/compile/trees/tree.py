"""One decision tree as nested CASE, in the shape that costs least.

An engine computes CASE branch by branch, over the rows that are left. So a tree is written as chains: one side of a
split is a WHEN, and the other one goes on as the next WHEN of the same CASE, which spares copying its results from
CASE to CASE. The side of missing values must be what goes on, because a comparison with NULL is not true; where none
can be missing, the side with more training rows goes on. Splits between equal leaves are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.sql.columns import Floats
from mlbridge.compile.sql.expressions import (
    Named,
    Node,
    Pick,
    Walked,
    above,
    add,
    at_most,
    case,
    double,
    is_known,
    is_null,
    ref,
    whole,
)
from mlbridge.compile.sql.number import Number

# Columns of trees per CTE: fewer make more CTEs, more make wider rows than the processor's cache holds.
TREES_A_STEP = 20


@dataclass(frozen=True)
class Threshold:
    """What a numeric split compares with: x <= value goes left, and NULL where `missing_left` says."""

    number: Number
    value: float
    missing_left: bool


@dataclass(frozen=True)
class Split:
    """A test: rows for which it is true go to the node `then`, the others, and those with NULL, to `other`.

    `threshold` says the same of a numeric split. `bits` does of one whose test is whether any of these nodes, whole
    numbers, shares a bit with the number beside it.
    """

    test: Callable[[], exp.Expression]
    then: int
    other: int
    threshold: Threshold | None = None
    bits: tuple[tuple[Node, int], ...] | None = None


@dataclass(frozen=True)
class Grown:
    """A tree: the children of each node (negative for a leaf's), and for each inner node its `Split`."""

    left: Sequence[int]
    right: Sequence[int]
    split: Callable[[int], Split]

    def expression(self, leaves: Sequence[Any], leaf: Callable[[Any], exp.Expression]) -> exp.Expression:
        """Write the tree; `leaves` holds for each node its value as a leaf, and `leaf` writes such a value."""
        same = self.uniform(leaves)

        def chain(node: int) -> exp.Expression:
            branches = []
            found = same[node]
            while found is None:
                split = self.split(node)
                branches.append((split.test(), chain(split.then)))
                found = same[split.other]
                node = split.other
            return case(branches, leaf(found[0]))

        return chain(0)

    def depths(self) -> list[int]:
        """Give the depth of each node, 0 for the root; children come after parents."""
        depths = [0] * len(self.left)
        for node, (left, right) in enumerate(zip(self.left, self.right, strict=True)):
            if left >= 0:
                depths[left] = depths[right] = depths[node] + 1
        return depths

    def uniform(self, leaves: Sequence[Any]) -> list[tuple[Any] | None]:
        """Give for each node what all leaves below it say, None where they differ; children come after parents."""
        same: list[tuple[Any] | None] = [None] * len(self.left)
        for node in range(len(self.left) - 1, -1, -1):
            if self.left[node] < 0 or self.left[node] == self.right[node]:
                same[node] = (leaves[node],)
            elif same[self.left[node]] is not None and same[self.left[node]] == same[self.right[node]]:
                same[node] = same[self.left[node]]
        return same


def numeric_split(
    number: Number, threshold: float, missing_left: bool, children: tuple[int, int], heavier_left: bool
) -> Split:
    """Split at x <= threshold; an infinite threshold parts the known from the missing, and no number is at most NaN."""
    left, right = children
    at = Threshold(number, threshold, missing_left)
    if np.isposinf(threshold):
        if missing_left:
            return Split(lambda: exp.false(), right, left, at)
        return Split(lambda: is_known(ref(number.node)), left, right, at)
    if np.isnan(threshold) or (np.isneginf(threshold) and number.range.low > -np.inf):
        if missing_left:
            return Split(lambda: is_null(ref(number.node)), left, right, at)
        return Split(lambda: exp.false(), left, right, at)
    low = Split(lambda: at_most(ref(number.node), double(threshold)), left, right, at)
    high = Split(lambda: above(ref(number.node), double(threshold)), right, left, at)
    if number.missing:
        return high if missing_left else low
    return high if heavier_left else low


def as_double_thresholds(thresholds: Floats) -> Floats:
    """Give the greatest doubles that, rounded to a float, are still at most the thresholds.

    scikit-learn rounds the features of these trees to float32 before it compares them.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        floats = thresholds.astype(np.float32)
        floats = np.where(floats.astype(np.float64) > thresholds, np.nextafter(floats, np.float32(-np.inf)), floats)
        floats = floats.astype(np.float32)
        following = np.nextafter(floats, np.float32(np.inf)).astype(np.float64)
        following = np.where(np.isinf(following), 2.0**128, following)
        middle = (floats.astype(np.float64) + following) / 2
        rounds_up = middle.astype(np.float32) != floats
        ends = np.where(rounds_up, np.nextafter(middle, -np.inf), middle)
    return np.where(np.isfinite(thresholds), ends, thresholds)


def grown(tree: Any, numbers: Sequence[Number]) -> Grown:
    """Read a tree of `sklearn.tree`; numbers that are whole keep the thresholds as they are."""
    rough, exact = tree.threshold, as_double_thresholds(tree.threshold)
    left, right, weight = tree.children_left, tree.children_right, tree.weighted_n_node_samples
    missing = tree.missing_go_to_left

    def split(node: int) -> Split:
        number = numbers[tree.feature[node]]
        threshold = float(rough[node] if number.whole else exact[node])
        children = (int(left[node]), int(right[node]))
        return numeric_split(
            number, threshold, bool(missing[node]), children, weight[children[0]] > weight[children[1]]
        )

    return Grown(left.tolist(), right.tolist(), split)


def tree_values(tree: Grown, values: Floats, hint: str, after: Node | None) -> tuple[Node, ...]:
    """Return the numbers that a tree predicts for a row: `values` has a row per node and a column per number.

    Several numbers are picked by the number of the leaf, so that the tree is evaluated once.
    """
    if values.shape[1] == 1:
        found = tree.expression(values[:, 0].tolist(), double)
        walked = Walked(tree, values[:, 0].tolist())
        return (Named(hint, found, kept=True, after=after, within=_ends(values), tree=walked),)
    codes = {row: index + 1 for index, row in enumerate(dict.fromkeys(map(tuple, values.tolist())))}
    if len(codes) == 1:
        return tuple(Named(hint, double(number)) for number in values[0])
    used = tree.expression([codes[tuple(row)] for row in values.tolist()], whole)
    kept = sorted({int(each.this) for each in _codes(used)})
    renumbered = {code: index + 1 for index, code in enumerate(kept)}
    for each in _codes(used):
        each.set("this", str(renumbered[int(each.this)]))
    rows = [row for row, code in codes.items() if code in renumbered]
    leaf = Named(hint, used, kept=True, after=after)
    return tuple(
        Named(
            hint,
            Pick(this=ref(leaf), expressions=[double(row[index]) for row in rows]),
            within=_ends(values),
            tree=Walked(tree, values[:, index].tolist()),
        )
        for index in range(values.shape[1])
    )


def _ends(values: Floats) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _codes(expression: exp.Expression) -> list[exp.Expression]:
    return [each for each in expression.find_all(exp.Literal) if not each.is_string]


Tree = Callable[[Node | None], tuple[Node, ...]]


def together(trees: Sequence[Tree]) -> Tree:
    """Combine trees with one number each into one tree that gives the numbers of all."""
    return lambda after: tuple(tree(after)[0] for tree in trees)


def added_up(starts: Sequence[exp.Expression | None], trees: Sequence[Tree], width: int) -> tuple[Node, ...]:
    """Add up the numbers of trees, each by itself and in their order; `width` columns of trees are computed at a time.

    A tree is a function of the node after which it is computed.
    """
    sums: list[Node] = []
    after: Node | None = None
    for first in range(0, len(trees), width):
        outputs = [tree(after) for tree in trees[first : first + width]]
        totals: list[Node] = []
        for index, start in enumerate(starts):
            total = ref(sums[index]) if sums else start
            for numbers in outputs:
                total = ref(numbers[index]) if total is None else add(total, ref(numbers[index]))
            assert total is not None  # noqa: S101 (there is a tree)
            totals.append(Named("sum", total, kept=True))
        sums, after = totals, totals[0]
    return tuple(sums)
