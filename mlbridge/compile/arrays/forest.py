"""Trees as arrays: all trees are walked at once, a level at a time, for all rows.

Each node of a tree is a slot of the row to compare, a threshold, and the index of the left child; the right one follows
it. A leaf compares 0 with infinity and is its own left child, so that a walk that has ended stays where it is. A number
that may be missing has two slots: NaN is at most nothing and goes right, and where it is to go left it is -infinity.
A split by a set of values is a slot of its own, 0 where the row goes left and 1 where it goes right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeGuard

import numpy as np
from sqlglot import exp

from mlbridge.compile.arrays.operations import Compute, Values, holds
from mlbridge.compile.sql.expressions import Node, Walked
from mlbridge.compile.trees.tree import Grown, Split
from mlbridge.typing import Floats, Integers

# So many walks at once stay in the processor's cache.
WALKS_AT_ONCE = 50_000
LEAF_SLOT = 0
# What a slot holds: a number, and whether NaN goes left; whether nodes share a bit with numbers; whether a test holds.
Key: TypeAlias = "tuple[Node, bool] | tuple[tuple[Node, int], ...] | exp.Expression"


@dataclass
class _Planted:
    """The nodes of trees one after the other, by index; `slots` gives the columns of the row that they compare."""

    left: list[int] = field(default_factory=list)
    slot: list[int] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    node: list[int] = field(default_factory=list)
    slots: dict[Key, int] = field(default_factory=dict)

    def new(self, node: int) -> int:
        self.left.append(len(self.left))
        self.slot.append(LEAF_SLOT)
        self.threshold.append(math.inf)
        self.node.append(node)
        return len(self.left) - 1

    def slot_of(self, key: Key) -> int:
        return self.slots.setdefault(key, len(self.slots) + 1)

    def plant(self, tree: Grown) -> tuple[int, int]:
        """Add a tree; return the index of its root, from which on its nodes are, and how many levels are below it."""
        root, deepest = self.new(0), 0
        waiting = [(root, 0)]
        for place, level in waiting:
            node, deepest = self.node[place], max(deepest, level)
            if tree.left[node] < 0 or tree.left[node] == tree.right[node]:
                continue
            split = tree.split(node)
            left, right = tree.left[node], tree.right[node]
            if split.threshold is None:
                left, right = split.then, split.other
            self.left[place] = self.new(left)
            self.new(right)
            self.slot[place], self.threshold[place] = self._compared(split)
            waiting += [(self.left[place], level + 1), (self.left[place] + 1, level + 1)]
        return root, deepest

    def _compared(self, split: Split) -> tuple[int, float]:
        """Return the slot and the threshold of a split: what is at most the threshold goes left."""
        at = split.threshold
        if at is not None:
            value = -math.inf if math.isnan(at.value) else at.value
            return self.slot_of((at.number.node, at.number.missing and at.missing_left)), value
        if split.bits is not None:
            return self.slot_of(split.bits), 0.5
        return self.slot_of(split.test()), 0.5


class Forest:
    """Trees that are walked together; each has the nodes of the pipeline that hold its numbers, by their places."""

    def __init__(self, trees: Sequence[Node], places: Mapping[Node, int]) -> None:
        """Plant the trees of some nodes; `places` are those of all nodes that trees compare."""
        outputs: dict[int, list[Node]] = {}
        grown: dict[int, Grown] = {}
        for node in trees:
            walked = _tree(node)
            grown[id(walked.grown)] = walked.grown
            outputs.setdefault(id(walked.grown), []).append(node)
        planted = _Planted()
        roots = {key: planted.plant(tree) for key, tree in grown.items()}
        ends = [*[root for root, _ in roots.values()][1:], len(planted.node)]
        nodes = {key: planted.node[roots[key][0] : end] for key, end in zip(roots, ends, strict=True)}
        # The deepest first, so that those still walking are the first ones.
        order = sorted(roots, key=lambda key: -roots[key][1])
        depths = [roots[key][1] for key in order]
        self._roots = np.array([roots[key][0] for key in order], dtype=np.int64)
        self._walking = [sum(depth > level for depth in depths) for level in range(max(depths, default=0))]
        self._left = np.array(planted.left, dtype=np.int64)
        self._slot = np.array(planted.slot, dtype=np.int64)
        self._threshold = np.array(planted.threshold)
        self._numbers = [
            (places[node], which, np.asarray(_tree(node).numbers)[nodes[key]])
            for which, key in enumerate(order)
            for node in outputs[key]
        ]
        self._row = _Row(planted.slots, places)

    def step(self, values: Values, rows: int) -> None:
        """Set the numbers of the trees' nodes, for all rows."""
        flat, ends = self._row.of(values, rows).ravel(), np.empty((len(self._roots), rows), dtype=np.int64)
        slots = self._slot * rows
        step = max(1, WALKS_AT_ONCE // max(1, len(self._roots)))
        for first in range(0, rows, step):
            some = slice(first, min(first + step, rows))
            ends[:, some] = self._ends(flat, slots, np.arange(some.start, some.stop, dtype=np.int64))
        for place, which, numbers in self._numbers:
            values[place] = numbers[ends[which] - self._roots[which]]

    def _ends(self, flat: Floats, slots: Integers, rows: Integers) -> Integers:
        found = np.repeat(self._roots[:, None], len(rows), axis=1)
        for many in self._walking:
            here = found[:many]
            goes_left = flat.take(slots.take(here) + rows) <= self._threshold.take(here)
            found[:many] = self._left.take(here) + ~goes_left
        return found


def _tree(node: Node) -> Walked:
    assert node.tree is not None  # noqa: S101 (only such nodes are given)
    return node.tree


class _Row:
    """What the trees compare, as an array of slots x rows; slot 0 is 0.

    All rows walk through a tree side by side, and near its root they compare the same slot.
    """

    def __init__(self, slots: dict[Key, int], places: Mapping[Node, int]) -> None:
        numbers = [(slot, key) for key, slot in slots.items() if _is_number(key)]
        sets: list[tuple[int, Any]] = [
            (slot, key) for key, slot in slots.items() if isinstance(key, tuple) and not _is_number(key)
        ]
        self._width = len(slots) + 1
        self._places = [places[key[0]] for _, key in numbers]
        self._slots = np.array([slot for slot, _ in numbers], dtype=np.int64)
        self._left = np.array([key[1] for _, key in numbers], dtype=bool)
        words = list({word: None for _, bits in sets for word, _ in bits})
        self._set_slots = np.array([slot for slot, _ in sets], dtype=np.int64)
        # For each word: its place, the indexes of the sets that have bits in it, and those bits.
        self._words: list[tuple[int, Integers, Integers]] = []
        for word in words:
            masks = {index: mask for index, (_, bits) in enumerate(sets) for each, mask in bits if each == word}
            self._words.append((places[word], np.array([*masks]), np.array([*masks.values()], dtype=np.int64)))
        self._tests: list[tuple[int, Compute]] = [
            (slot, holds(key, places, True)) for key, slot in slots.items() if not isinstance(key, tuple)
        ]

    def of(self, values: Values, rows: int) -> Floats:
        row = np.zeros((self._width, rows))
        if self._places:
            numbers = np.empty((len(self._places), rows))
            for index, place in enumerate(self._places):
                numbers[index] = values[place]
            row[self._slots] = np.where(self._left[:, None] & np.isnan(numbers), -np.inf, numbers)
        if self._words:
            inside = np.zeros((len(self._set_slots), rows), dtype=bool)
            for place, those, masks in self._words:
                inside[those] |= (values[place] & masks[:, None]) != 0
            row[self._set_slots] = ~inside
        for slot, test in self._tests:
            row[slot] = np.where(test(values), 0.0, 1.0)
        return row


def _is_number(key: Any) -> TypeGuard[tuple[Node, bool]]:
    return isinstance(key, tuple) and len(key) == 2 and isinstance(key[1], bool)
