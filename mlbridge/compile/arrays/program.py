"""A fitted pipeline as a sequence of steps over arrays, from the nodes that its SELECT is written from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from mlbridge.compile.arrays.forest import Forest
from mlbridge.compile.arrays.operations import Values, holds, is_text, looked_up, number, references, text
from mlbridge.compile.catalogue import described
from mlbridge.compile.reasons import TOGETHER, by_feature, missing, not_taken
from mlbridge.compile.select import translated_columns
from mlbridge.compile.sql.expressions import Either, Lookup, Named, Node, Ref, Source
from mlbridge.compile.sql.outcomes import Classification, Outcome, Several
from mlbridge.errors import CompileError
from mlbridge.typing import Floats

# Numbers (NaN: missing) or texts (None: missing) by the name of the feature.
Columns: TypeAlias = "Mapping[str, Floats | list[str | None]]"
Step = Callable[[Values, int], None]


class Program:
    """Computes the scores of rows as `to_sql` writes them: the same nodes in the same order.

    Raises CompileError for a pipeline that `to_sql` refuses, and for one without probabilities.
    """

    def __init__(self, pipeline: Any, types: Mapping[str, str]) -> None:
        """Translate a fitted pipeline; `types` are `double` or `text` by feature."""
        table, outcome = translated_columns(pipeline, types)
        scores = _scores(pipeline, outcome)
        self._is_class = isinstance(outcome, Classification)
        reasons = {} if isinstance(outcome, Several) else by_feature(outcome.refused, table.columns)
        order, needs = _in_order([*scores, *reasons.values()])
        places = {node: place for place, node in enumerate(order)}
        # Nothing that is kept refers to a node: the expressions take more memory than what becomes of them.
        self._steps = _steps_of(order, needs, places)
        self._sources = [(place, node.hint) for node, place in places.items() if isinstance(node, Source)]
        self._size = len(order)
        self._scores = [places[node] for node in scores]
        self._reasons = [(name, holds(Ref(this=node), places, True)) for name, node in reasons.items()]

    def scores(self, columns: Columns, rows: int) -> tuple[Floats, list[str | None] | None]:
        """Return the scores of rows, (rows, classes) or (rows,), and why rows have none (NaN); None: all have."""
        found = np.empty((rows, len(self._scores)))
        with np.errstate(all="ignore"):
            values: Values = [None] * self._size
            for place, name in self._sources:
                values[place] = columns[name]
            for step in self._steps:
                step(values, rows)
            for index, place in enumerate(self._scores):
                found[:, index] = values[place]
            reasons = self._because(values, columns, found, rows)
        return (found if self._is_class else found[:, 0]), reasons

    def _because(self, values: Values, columns: Columns, found: Floats, rows: int) -> list[str | None] | None:
        reasons: list[str | None] | None = None
        for name, refuses in self._reasons:
            refused = refuses(values)
            if not np.any(refused):
                continue
            reasons = [None] * rows if reasons is None else reasons
            for row in np.flatnonzero(np.broadcast_to(refused, rows)).tolist():
                if reasons[row] is None:
                    found[row] = np.nan
                    reasons[row] = _reason(name, columns, row)
        return reasons


def _steps_of(order: Sequence[Node], needs: Mapping[Node, Sequence[Node]], places: Mapping[Node, int]) -> list[Step]:
    """Return the steps that compute nodes: trees that do not need each other's numbers are walked together."""
    stages: dict[Node, int] = {}
    for node in order:
        below = (stages[each] + (each.tree is not None) for each in needs[node])
        stages[node] = max(below, default=0)
    steps: list[Step] = []
    for stage in range(max(stages.values(), default=0) + 1):
        here = [node for node in order if stages[node] == stage and not isinstance(node, Source)]
        steps += [_step(node, places) for node in here if node.tree is None]
        trees = [node for node in here if node.tree is not None]
        if trees:
            steps.append(Forest(trees, places).step)
    return steps


def _step(node: Node, places: Mapping[Node, int]) -> Step:
    place = places[node]
    if isinstance(node, Lookup):
        compute = looked_up(node, places[node.source])
    elif isinstance(node, Named):
        compute = text(node, places) if is_text(node) else number(node.expression, places)
    else:
        raise CompileError(f"`{type(node).__name__}` is nothing that numpy computes here.")

    def step(values: Values, rows: int) -> None:
        values[place] = compute(values)

    return step


def _reason(name: str | None, columns: Columns, row: int) -> str:
    if name is None:
        return TOGETHER
    value = columns[name][row]
    is_missing = value is None or value != value
    return missing(name) if is_missing else not_taken(name)


def _scores(pipeline: Any, outcome: Outcome) -> tuple[Node, ...]:
    if isinstance(outcome, Several):
        raise CompileError(f"{described(pipeline)} has several outputs, of which a version has one.")
    if not isinstance(outcome, Classification):
        if len(outcome.values) > 1:
            raise CompileError(f"{described(pipeline)} has several outputs, of which a version has one.")
        return outcome.values
    if not outcome.probabilities:
        raise CompileError(f"{described(pipeline)} gives no probabilities.")
    return outcome.probabilities


def _needed(node: Node) -> Sequence[Node]:
    """Return the nodes that a node is computed from; a tree's are those that its splits compare."""
    if node.tree is not None:
        found: dict[Node, None] = {}
        grown = node.tree.grown
        for each, (left, right) in enumerate(zip(grown.left, grown.right, strict=True)):
            if left < 0 or left == right:
                continue
            split = grown.split(each)
            if split.threshold is not None:
                found[split.threshold.number.node] = None
            elif split.bits is not None:
                found.update((word, None) for word, _ in split.bits)
            else:
                found.update((each, None) for each in references(split.test()))
        return list(found)
    if isinstance(node, Lookup):
        return [node.source]
    if isinstance(node, Either):
        raise CompileError("numpy computes no such node.")
    return references(node.expression) if isinstance(node, Named) else []


def _in_order(roots: Sequence[Node]) -> tuple[list[Node], dict[Node, Sequence[Node]]]:
    """Return all nodes that some are computed from, those that are used before those that use them.

    Beside them, which each of them needs itself.
    """
    needs: dict[Node, Sequence[Node]] = {}
    order: dict[Node, None] = {}
    waiting = [(node, False) for node in reversed(roots)]
    while waiting:
        node, done = waiting.pop()
        if done:
            order[node] = None
        elif node not in order:
            needs[node] = needs[node] if node in needs else _needed(node)
            waiting.append((node, True))
            waiting.extend((each, False) for each in needs[node] if each not in order)
    return list(order), needs
