"""From nodes to one SELECT: what is used more than once becomes a column, and columns that can be computed side by
side share a CTE.

The first CTE reads the relation; each further one reads the one before it and passes on what is still needed. Engines
compute a CTE's columns one after another over the same rows, so few wide CTEs beat many narrow ones; the translators
of ensembles say through `after` where a cut pays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlglot import exp

from mlbridge.compile.sql.dialects import Dialect, array, spelt
from mlbridge.compile.sql.expressions import (
    Lookup,
    Named,
    Node,
    Numbers,
    Source,
    case,
    column,
    double,
    equal,
    is_null,
    whole,
)
from mlbridge.compile.sql.plan import Plan, written_key, written_value

ARRAYS = "ml_arrays"


class Names:
    """Names that no column has yet, whatever the case."""

    def __init__(self, taken: Iterable[str], longest: int) -> None:
        """Take the names that are already in use."""
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


def _inside(expression: exp.Expression, parent: exp.Expr | None) -> exp.Expression:
    """Put an inner expression in parentheses where operator precedence requires it."""
    binds = isinstance(expression, (exp.Binary, exp.Unary)) and not isinstance(expression, exp.Paren)
    apart = isinstance(parent, exp.Connector) and isinstance(expression, exp.Predicate)
    if binds and not apart and isinstance(parent, (exp.Binary, exp.Unary, exp.Is)):
        return exp.Paren(this=expression)
    return expression


def _alias(value: exp.Expression, name: str) -> exp.Expression:
    return exp.Alias(this=value, alias=exp.to_identifier(name, quoted=True))


class Assembler:
    """Builds the SELECT of some outputs over a relation."""

    def __init__(self, relation: exp.Expression, keep: Sequence[str], dialect: Dialect, taken: Iterable[str]) -> None:
        """Take the relation, the columns to keep, and the names that the outputs have."""
        self._relation, self._keep, self._dialect = relation, list(keep), dialect
        self._names = Names([*keep, *taken], dialect.longest_name)
        self._columns: dict[Node, str] = {}

    def select(self, outputs: Mapping[str, exp.Expression]) -> exp.Select:
        """Build the whole query."""
        plan = Plan(self._dialect)
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
            ctes.append(self._cte(name, self._with_arrays(step, bool(arrays) and level == plan.arrays)))
            source = exp.to_table(name)
        written = self._written(plan, final)
        chosen = [*map(column, self._keep)]
        chosen += [_alias(value, alias) for alias, value in zip(outputs, written.expressions, strict=True)]
        query = exp.select(*chosen, copy=False).from_(source, copy=False)
        self._with_arrays(query, bool(arrays) and last < plan.arrays)
        if ctes:
            query.set("with_", exp.With(expressions=ctes))
        return query

    def _with_arrays(self, query: exp.Select, wanted: bool) -> exp.Select:
        if wanted:
            query.append("joins", exp.Join(this=exp.to_table(ARRAYS), kind="CROSS"))
        return query

    def _needed(self, plan: Plan, final: Node, last: int) -> dict[int, dict[Node, None]]:
        """Return for each level the columns of it and of earlier levels that later levels read."""
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

    def _step(self, plan: Plan, level: int, needed: Iterable[Node], source: exp.Expression) -> exp.Select:
        """Build one CTE: what it computes, after what it passes on."""
        passed, computed = [], []
        looked: dict[Node, list[Lookup]] = defaultdict(list)
        for node in needed:
            if plan.levels[node] == level:
                if isinstance(node, Lookup) and plan.joined(node):
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

    def _column(self, plan: Plan, node: Node) -> exp.Expression:
        """Name a node's column; a column of the relation goes by its own name until a CTE has passed it on."""
        name = self._columns.get(node, node.hint) if isinstance(node, Source) else self._name(node)
        return column(name)

    def _written(self, plan: Plan, node: Node) -> exp.Expression:
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

    def _joined(self, plan: Plan, nodes: Sequence[Lookup]) -> tuple[list[exp.Expression], exp.Join]:
        """Join a table of values: one row per key, one column per number looked up."""
        source = nodes[0].source
        table, key = self._names.new(f"{nodes[0].hint}_table"), self._names.new(f"{nodes[0].hint}_key")
        values = [self._names.new(f"{node.hint}_value") for node in nodes]
        numbers = [dict(node.entries) for node in nodes]
        rows = []
        for each in dict.fromkeys(key for node in nodes for key, _ in node.entries):
            row = [written_key(each)]
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

    def _reads(self, plan: Plan, source: Node) -> exp.Expression:
        if plan.inlined(source):
            return self._written(plan, source).copy()
        return self._column(plan, source)

    def _found(self, plan: Plan, node: Lookup, key: str, value: str) -> exp.Expression:
        unmatched = is_null(column(key))
        tests = [(unmatched, written_value(node, node.other))]
        if node.missing != node.other:
            tests.insert(0, (is_null(self._reads(plan, node.source)), written_value(node, node.missing)))
        return spelt(case(tests, column(value)), self._dialect)


def _typed(node: Lookup, value: float | None) -> exp.Expression:
    """Write a number of a table of values with its type, which nothing else determines there."""
    if value is None:
        return exp.Cast(this=exp.null(), to=exp.DataType.build("double"))
    return exp.Cast(this=whole(int(value)), to=exp.DataType.build("bigint")) if node.integer else double(value)
