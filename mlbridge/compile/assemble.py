"""From nodes to one SELECT: what is used more than once becomes a column, and columns that can be computed side by
side share a CTE.

The first CTE reads the relation; each further one reads the one before it and passes on what is still needed. Engines
compute a CTE's columns one after another over the same rows, so few wide CTEs beat many narrow ones; the translators
of ensembles say through `after` where a cut pays.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from mlbridge.compile.dialects import Dialect, array, spelt
from mlbridge.compile.expressions import (
    Either,
    Looked,
    Named,
    Node,
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
ARRAYS = "ml_arrays"


class Names:
    """Names that no column has yet, whatever the case."""

    def __init__(self, taken: Iterable[str], longest: int) -> None:
        """Take the names that are spoken for."""
        self._taken = {name.lower() for name in taken}
        self._longest = min(longest, 63) - 8

    def new(self, hint: str) -> str:
        """Give the hint itself where it is free, else with a number."""
        short = hint.encode()[: self._longest].decode(errors="ignore") or "column"
        name, number = short, 1
        while name.lower() in self._taken:
            number += 1
            name = f"{short}_{number}"
        self._taken.add(name.lower())
        return name


@dataclass
class _Plan:
    """Every node that is used, with its expression, the level of its CTE and, where it is a column, its name."""

    dialect: Dialect
    bodies: dict[Node, exp.Expression] = field(default_factory=dict)
    references: dict[Node, list[exp.Expression]] = field(default_factory=dict)
    uses: dict[Node, list[Node]] = field(default_factory=dict)
    times: Counter[Node] = field(default_factory=Counter)
    levels: dict[Node, int] = field(default_factory=dict)
    order: list[Node] = field(default_factory=list)
    from_arrays: dict[Node, bool] = field(default_factory=dict)
    # The level at which the arrays are joined: after the first, which reads the relation, whose names might be theirs.
    arrays: int = 2

    def joined(self, node: Node) -> bool:
        if not isinstance(node, Looked) or not self.dialect.joins or len(node.entries) <= MOST_BRANCHES:
            return False
        return not self._needs_arrays(node.source)

    def _needs_arrays(self, node: Node) -> bool:
        """Say whether arrays are looked into for it; a join after that might copy them for each row."""
        if node not in self.from_arrays:
            looks = isinstance(node, Either) and self.dialect.element is not None
            below = [node.source] if isinstance(node, Looked) else []
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
                later = [node.after] if isinstance(node, Named) and node.after is not None else []
                stack.append((node, True))
                stack.extend((each, False) for each in reversed(self.uses[node] + later))
        self._set_levels()
        self.arrays = 1 + max((self.levels[node] for node in self.order if self.joined(node)), default=1)
        self._set_levels()

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
        assert isinstance(node, Looked)  # noqa: S101 (there are no other nodes)
        if self.joined(node):
            return ref(node.source)  # what it needs; `_found` writes it
        source = node.source
        tests = [(equal(ref(source), _key(key)), _value(node, value)) for key, value in node.entries]
        if node.missing != node.other:
            tests.insert(0, (is_null(ref(source)), _value(node, node.missing)))
        return case(tests, _value(node, node.other))

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


def _inside(expression: exp.Expression, parent: exp.Expr | None) -> exp.Expression:
    """Put brackets around what is written inside another expression, where it would be read otherwise."""
    binds = isinstance(expression, (exp.Binary, exp.Unary)) and not isinstance(expression, exp.Paren)
    apart = isinstance(parent, exp.Connector) and isinstance(expression, exp.Predicate)
    if binds and not apart and isinstance(parent, (exp.Binary, exp.Unary, exp.Is)):
        return exp.Paren(this=expression)
    return expression


def _alias(value: exp.Expression, name: str) -> exp.Expression:
    return exp.Alias(this=value, alias=exp.to_identifier(name, quoted=True))


def _key(key: str | float) -> exp.Expression:
    return exp.Literal.string(key) if isinstance(key, str) else double(key)


def _value(node: Looked, value: float | None) -> exp.Expression:
    if value is None:
        return exp.null()
    return whole(int(value)) if node.integer else double(value)


class Assembler:
    """Builds the SELECT of some outputs over a relation."""

    def __init__(self, relation: exp.Expression, keep: Sequence[str], dialect: Dialect, taken: Iterable[str]) -> None:
        """Take the relation, the columns to keep, and the names that the outputs have."""
        self._relation, self._keep, self._dialect = relation, list(keep), dialect
        self._names = Names([*keep, *taken], dialect.longest_name)
        self._columns: dict[Node, str] = {}

    def select(self, outputs: Mapping[str, exp.Expression]) -> exp.Select:
        """Build the whole query."""
        plan = _Plan(self._dialect)
        final = Named("outputs", exp.Tuple(expressions=list(outputs.values())), kept=True)
        plan.visit([final])
        last = plan.levels[final] - 1
        needed = self._needed(plan, final, last)
        arrays = [node for node in plan.order if isinstance(node, Numbers)]
        ctes, source = [], self._relation
        if arrays:
            ctes.append(self._arrays(arrays))
        for level in range(1, last + 1):
            name = "ml_columns" if level == 1 else f"ml_step_{level}"
            step = self._step(plan, level, needed[level], source)
            ctes.append(self._cte(name, self._with_arrays(step, arrays and level == plan.arrays)))
            source = exp.to_table(name)
        written = self._written(plan, final)
        chosen = [*map(column, self._keep)]
        chosen += [_alias(value, alias) for alias, value in zip(outputs, written.expressions, strict=True)]
        query = exp.select(*chosen, copy=False).from_(source, copy=False)
        self._with_arrays(query, arrays and last < plan.arrays)
        if ctes:
            query.set("with_", exp.With(expressions=ctes))
        return query

    def _with_arrays(self, query: exp.Select, wanted: Any) -> exp.Select:
        if wanted:
            query.append("joins", exp.Join(this=exp.to_table(ARRAYS), kind="CROSS"))
        return query

    def _needed(self, plan: _Plan, final: Node, last: int) -> dict[int, dict[Node, None]]:
        """Say for each level which columns of this and earlier levels something later reads."""
        needed: dict[int, dict[Node, None]] = defaultdict(dict)
        for node in plan.order:
            if plan.inlined(node):
                continue
            end = last if node is final else plan.levels[node] - 1
            for used in plan.needs(node):
                first = plan.arrays if isinstance(used, Numbers) else max(plan.levels[used], 1)
                for level in range(first, end + 1):
                    needed[level][used] = None
        return needed

    def _arrays(self, nodes: Iterable[Numbers]) -> exp.CTE:
        """Build the table of one row that holds the arrays."""
        values = [_alias(array(node.values, node.integer), self._name(node)) for node in nodes]
        alias = exp.TableAlias(this=exp.to_identifier(ARRAYS))
        return exp.CTE(this=exp.select(*values, copy=False), alias=alias, materialized=True)

    def _cte(self, name: str, query: exp.Select) -> exp.CTE:
        alias = exp.TableAlias(this=exp.to_identifier(name))
        return exp.CTE(this=query, alias=alias, materialized=True if self._dialect.materialized else None)

    def _step(self, plan: _Plan, level: int, needed: Iterable[Node], source: exp.Expression) -> exp.Select:
        """Build one CTE: what it computes, after what it passes on."""
        passed, computed = [], []
        looked: dict[Node, list[Looked]] = defaultdict(list)
        for node in needed:
            if plan.levels[node] == level:
                if isinstance(node, Looked) and plan.joined(node):
                    looked[node.source].append(node)
                else:
                    computed.append((node, self._written(plan, node)))
            else:
                passed.append(node)
        chosen = [*map(column, self._keep)]
        for node in passed:
            value = self._column(plan, node)
            renamed = isinstance(node, Source) and level == 1
            chosen.append(_alias(value, self._name(node)) if renamed else value)
        joins = [self._joined(plan, nodes) for nodes in looked.values()]
        chosen += [_alias(value, self._name(node)) for node, value in computed]
        for found, _ in joins:
            chosen += found
        query = exp.select(*chosen, copy=False).from_(source, copy=False)
        query.set("joins", [join for _, join in joins])
        return query

    def _name(self, node: Node) -> str:
        if node not in self._columns:
            self._columns[node] = self._names.new(node.hint)
        return self._columns[node]

    def _column(self, plan: _Plan, node: Node) -> exp.Expression:
        """Name a node's column; a column of the relation goes by its own name until a CTE has passed it on."""
        name = self._columns.get(node, node.hint) if isinstance(node, Source) else self._name(node)
        return column(name)

    def _written(self, plan: _Plan, node: Node) -> exp.Expression:
        """Write a node's expression: references become columns, or what they refer to."""
        expression = plan.bodies[node]
        for found in plan.references[node]:
            used: Node = found.this
            by = _inside(self._written(plan, used), found.parent) if plan.inlined(used) else self._column(plan, used)
            if found is expression:
                expression = by
            else:
                found.replace(by)
        return spelt(expression, self._dialect)

    def _joined(self, plan: _Plan, nodes: Sequence[Looked]) -> tuple[list[exp.Expression], exp.Join]:
        """Join a table of values: one row per key, one column per number looked up."""
        source = nodes[0].source
        table, key = self._names.new(f"{nodes[0].hint}_table"), self._names.new(f"{nodes[0].hint}_key")
        values = [self._names.new(f"{node.hint}_value") for node in nodes]
        numbers = [dict(node.entries) for node in nodes]
        rows = []
        for each in dict.fromkeys(key for node in nodes for key, _ in node.entries):
            row = [_key(each)]
            row += [_typed(node, found.get(each, node.other)) for node, found in zip(nodes, numbers, strict=True)]
            rows.append(exp.Tuple(expressions=[spelt(part, self._dialect) for part in row]))
        names = [exp.to_identifier(name, quoted=True) for name in (key, *values)]
        alias = exp.TableAlias(this=exp.to_identifier(table, quoted=True), columns=names)
        on = equal(_inside(self._reads(plan, source), exp.EQ()), column(key))
        join = exp.Join(this=exp.Values(expressions=rows, alias=alias), side="LEFT", on=on)
        found = [
            _alias(self._found(plan, node, key, value), self._name(node))
            for node, value in zip(nodes, values, strict=True)
        ]
        return found, join

    def _reads(self, plan: _Plan, source: Node) -> exp.Expression:
        if plan.inlined(source):
            return self._written(plan, source).copy()
        return self._column(plan, source)

    def _found(self, plan: _Plan, node: Looked, key: str, value: str) -> exp.Expression:
        unmatched = is_null(column(key))
        tests = [(unmatched, _value(node, node.other))]
        if node.missing != node.other:
            tests.insert(0, (is_null(self._reads(plan, node.source)), _value(node, node.missing)))
        return spelt(case(tests, column(value)), self._dialect)


def _typed(node: Looked, value: float | None) -> exp.Expression:
    """Write a number in a table of values, where nothing else says of what type it is."""
    if value is None:
        return exp.Cast(this=exp.null(), to=exp.DataType.build("double"))
    return exp.Cast(this=whole(int(value)), to=exp.DataType.build("bigint")) if node.integer else double(value)
