"""A forest as walks over arrays, for engines that are as quick at looking a number up as at comparing two.

A CASE costs an engine some time for each of its splits, however few rows come to it, and most splits of a deep tree
see few. So a deep tree is a CASE in its first levels only, which gives the index of a node. Arrays over the nodes of
all trees hold the index of the left child (the right one follows it), the feature to compare, and the threshold. Each
further level looks up the index of the child for all rows; a leaf is its own child. Last, the leaf's numbers are looked
up by its index.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, partial

from sqlglot import exp

from mlbridge.compile.sql.columns import Floats
from mlbridge.compile.sql.expressions import At, Either, Named, Node, Numbers, Walked, above, add, double, ref, whole
from mlbridge.compile.sql.ranges import GREATEST
from mlbridge.compile.trees.tree import Grown, Threshold, Tree, tree_values
from mlbridge.errors import CompileError

# How many levels are a CASE, and how many splits cost an engine as much as a step, or as the leaf's numbers.
TOP, STEP = 4, 30
# More nodes than this make a SELECT larger than any engine takes; counted first, because writing them takes minutes.
MOST_NODES = 500_000


def forest(trees: Sequence[tuple[Grown, Floats]]) -> list[Tree]:
    """Return the outputs of each tree of a forest; `trees` come with the values of their nodes, a column per output."""
    nodes = sum(len(tree.left) for tree, _ in trees)
    if nodes > MOST_NODES:
        raise CompileError(
            f"{len(trees):,} trees with {nodes:,} nodes are too large for a SELECT; {MOST_NODES:,} can be written. "
            "Limit their depth or leaves."
        )
    walks = _Walks(trees)
    return [
        partial(walks.tree_values, which) if _worth_it(tree) else partial(tree_values, tree, values, "tree")
        for which, (tree, values) in enumerate(trees)
    ]


def _worth_it(tree: Grown) -> bool:
    """Say whether steps through the levels below the top cost less than all the splits."""
    steps = max(tree.depths()) - TOP
    splits = sum(left >= 0 for left in tree.left)
    numeric = all(tree.split(node).threshold for node, left in enumerate(tree.left) if left >= 0)
    return steps > 0 and numeric and splits > STEP * (1 + steps)


@dataclass
class _Arrays:
    """The nodes of all trees, one after the other; `slots` maps a number of the row to its index in the row's array."""

    left: list[float] = field(default_factory=list)
    slot: list[float] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    values: list[tuple[float, ...]] = field(default_factory=list)
    slots: dict[tuple[Node, bool], int] = field(default_factory=dict)

    def new(self) -> int:
        """Make room for a node and return its index, which counts from 1."""
        self.left.append(0)
        self.slot.append(1)
        self.threshold.append(math.inf)
        self.values.append(())
        return len(self.left)

    def slot_of(self, at: Threshold) -> int:
        """Return the index in the row's array of a number whose NULL is replaced by a value on NULL's side."""
        key = (at.number.node, at.number.missing and not at.missing_left)
        return self.slots.setdefault(key, len(self.slots) + 1)


class _Walks:
    """The walks of a forest; they are built only for an engine that uses them."""

    def __init__(self, trees: Sequence[tuple[Grown, Floats]]) -> None:
        self._trees = trees

    def tree_values(self, which: int, after: Node | None) -> tuple[Node, ...]:
        """Return the numbers that a tree predicts for a row."""
        tree, values = self._trees[which]
        compared = cache(lambda: tree_values(tree, values, "tree", after))
        place = cache(lambda: self._place(which, after))

        def number(column: int) -> Node:
            return Either(
                "tree",
                lambda: ref(compared()[column]),
                lambda: At(this=ref(self._numbers["values"][column]), expression=ref(place())),
                within=(float(values.min()), float(values.max())),
                tree=Walked(tree, values[:, column].tolist()),
            )

        return tuple(number(column) for column in range(values.shape[1]))

    def _place(self, which: int, after: Node | None) -> Node:
        """Walk down a tree: the place of the leaf."""
        top, steps = self._tops[which]
        place: Node = Named("place", top, kept=True, after=after)
        for _ in range(steps):
            place = Named("place", self._step(place), kept=True)
        return place

    def _step(self, place: Node) -> exp.Expression:
        left, slot, threshold = (
            At(this=ref(self._numbers[name][0]), expression=ref(place)) for name in ("left", "slot", "threshold")
        )
        number = At(this=ref(self._row), expression=slot)
        goes_right = exp.Cast(this=above(number, threshold), to=exp.DataType.build("int"))
        return add(left, goes_right)

    @cached_property
    def _arrays(self) -> tuple[_Arrays, dict[int, tuple[exp.Expression, int]]]:
        """Give the nodes of the forest, and for each tree its top and how many steps are below that."""
        arrays, tops = _Arrays(), {}
        for which, (tree, values) in enumerate(self._trees):
            tops[which] = _planted(tree, values, arrays)
        return arrays, tops

    @property
    def _tops(self) -> dict[int, tuple[exp.Expression, int]]:
        return self._arrays[1]

    @cached_property
    def _numbers(self) -> dict[str, list[Numbers]]:
        arrays = self._arrays[0]
        return {
            "left": [Numbers("ml_left", arrays.left, integer=True)],
            "slot": [Numbers("ml_feature", arrays.slot, integer=True)],
            "threshold": [Numbers("ml_threshold", arrays.threshold)],
            "values": [Numbers("ml_value", column) for column in zip(*arrays.values, strict=True)],
        }

    @cached_property
    def _row(self) -> Node:
        """Give the row's numbers as one array."""
        numbers: list[exp.Expression] = []
        for node, missing_high in self._arrays[0].slots:
            end = double(math.inf if missing_high else -math.inf)
            numbers.append(exp.Coalesce(this=ref(node), expressions=[end]))
        return Named("ml_row", exp.Array(expressions=numbers), kept=True)


def _planted(tree: Grown, values: Floats, arrays: _Arrays) -> tuple[exp.Expression, int]:
    """Add a tree's nodes below the top to the arrays; return its top, a node's index, and the levels below."""
    rows = list(map(tuple, values.tolist()))
    same, depths = tree.uniform(rows), tree.depths()
    ends = {
        node: arrays.new() for node, depth in enumerate(depths) if depth == TOP or (depth < TOP and tree.left[node] < 0)
    }
    waiting, steps = [(node, place, 0) for node, place in ends.items()], 0
    for node, place, level in waiting:
        steps = max(steps, level)
        leaf = same[node]
        if leaf is not None:
            arrays.left[place - 1], arrays.values[place - 1] = place, leaf[0]
            continue
        at = tree.split(node).threshold
        assert at is not None  # noqa: S101 (`_worth_it` has checked it)
        left, right = arrays.new(), arrays.new()
        arrays.left[place - 1], arrays.slot[place - 1] = left, arrays.slot_of(at)
        # An infinite threshold parts the known from the missing.
        arrays.threshold[place - 1] = min(at.value, GREATEST)
        arrays.values[place - 1] = (0.0,) * len(rows[node])  # no walk ends here
        waiting += [(tree.left[node], left, level + 1), (tree.right[node], right, level + 1)]
    places = [ends.get(node, 0) for node in range(len(rows))]
    top = Grown([-1 if node in ends else left for node, left in enumerate(tree.left)], tree.right, tree.split)
    return top.expression(places, whole), steps
