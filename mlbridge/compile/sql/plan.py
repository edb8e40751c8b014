"""Which nodes of a query are columns of their own, and of which CTE."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from mlbridge.compile.sql.dialects import Dialect
from mlbridge.compile.sql.expressions import (
    Either,
    Lookup,
    Named,
    Node,
    NotNan,
    Numbers,
    Ref,
    Source,
    case,
    column,
    double,
    equal,
    is_null,
    ref,
    whole,
)

# A CASE over texts compares one after the other; from here on a joined table of values is faster.
MOST_BRANCHES = 8


@dataclass
class Plan:
    """Every node that is used, with its expression, the level of its CTE and, where it is a column, its name."""

    dialect: Dialect
    bodies: dict[Node, exp.Expression] = field(default_factory=dict)
    references: dict[Node, list[exp.Expression]] = field(default_factory=dict)
    uses: dict[Node, list[Node]] = field(default_factory=dict)
    times: Counter[Node] = field(default_factory=Counter)
    levels: dict[Node, int] = field(default_factory=dict)
    order: list[Node] = field(default_factory=list)
    from_arrays: dict[Node, bool] = field(default_factory=dict)
    # The level at which the arrays are joined: after the first, because columns of the relation may have their names.
    arrays: int = 2

    def joined(self, node: Node) -> bool:
        """Say whether a node is looked up in a joined table of values."""
        if not isinstance(node, Lookup) or not self.dialect.joins or len(node.entries) <= MOST_BRANCHES:
            return False
        return not self._needs_arrays(node.source)

    def _needs_arrays(self, node: Node) -> bool:
        """Return whether it is computed from the arrays; a later join might copy them for each row."""
        if node not in self.from_arrays:
            looks = isinstance(node, Either) and self.dialect.element is not None
            below = [node.source] if isinstance(node, Lookup) else []
            if isinstance(node, Named):
                below = [found.this for found in node.expression.find_all(Ref)]
            self.from_arrays[node] = looks or any(self._needs_arrays(each) for each in below)
        return self.from_arrays[node]

    def inlined(self, node: Node) -> bool:
        """Say whether a node is written where it is used, instead of as a column."""
        if isinstance(node, (Source, Numbers)) or self.joined(node):
            return False
        return self.times[node] <= 1 and not (isinstance(node, Named) and node.kept)

    def visit(self, roots: Sequence[Node]) -> None:
        """Collect nodes, those that are used before those that use them."""
        stack = [(node, False) for node in reversed(roots)]
        while stack:
            node, done = stack.pop()
            if done:
                self.order.append(node)
            elif node not in self.bodies:
                self.bodies[node] = self._body(node)
                self.references[node] = list(self.bodies[node].find_all(Ref, bfs=False))
                self.uses[node] = [found.this for found in self.references[node]]
                self.times.update(self.uses[node])
                if self.dialect.repeats:
                    self.times.update(found.this for found in self._asked_for_nan(node))
                later = [node.after] if isinstance(node, Named) and node.after is not None else []
                stack.append((node, True))
                stack.extend((each, False) for each in reversed(self.uses[node] + later))
        self._set_levels()
        self.arrays = 1 + max((self.levels[node] for node in self.order if self.joined(node)), default=1)
        self._set_levels()

    def _asked_for_nan(self, node: Node) -> list[exp.Expression]:
        return [each.this for each in self.bodies[node].find_all(NotNan) if isinstance(each.this, Ref)]

    def _set_levels(self) -> None:
        for node in self.order:
            self.levels[node] = self._level(node)

    def _body(self, node: Node) -> exp.Expression:
        if isinstance(node, (Source, Numbers)):
            return column(node.hint)
        if isinstance(node, Named):
            return node.expression
        if isinstance(node, Either):
            return node.compared() if self.dialect.element is None else node.looked_up()
        assert isinstance(node, Lookup)  # noqa: S101 (there are no other nodes)
        if self.joined(node):
            return ref(node.source)  # what it needs; `_found` writes it
        source = node.source
        tests = [(equal(ref(source), written_key(key)), written_value(node, value)) for key, value in node.entries]
        if node.missing != node.other:
            tests.insert(0, (is_null(ref(source)), written_value(node, node.missing)))
        return case(tests, written_value(node, node.other))

    def _level(self, node: Node) -> int:
        if isinstance(node, (Source, Numbers)):
            return 0
        level = max((self.levels[used] for used in self.uses[node]), default=0)
        if isinstance(node, Named) and node.after is not None:
            level = max(level, self.levels[node.after] - 1)
        if any(isinstance(used, Numbers) for used in self.uses[node]):
            level = max(level, self.arrays - 1)
        if self.inlined(node):
            return level
        return max(level + 1, 2 if self.joined(node) else 1)

    def needs(self, node: Node) -> Iterator[Node]:
        """Give the columns that a node's expression reads, through what is written inside it."""
        for used in self.uses[node]:
            if self.inlined(used):
                yield from self.needs(used)
            else:
                yield used


def written_key(key: str | float) -> exp.Expression:
    """Write the key of a lookup."""
    return exp.Literal.string(key) if isinstance(key, str) else double(key)


def written_value(node: Lookup, value: float | None) -> exp.Expression:
    """Write a value of a lookup."""
    if value is None:
        return exp.null()
    return whole(int(value)) if node.integer else double(value)
