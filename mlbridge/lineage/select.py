"""The columns and rows of a query: SELECT, set operations, common table expressions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from sqlglot import exp

from mlbridge.lineage.conditions import is_left_out, restrict
from mlbridge.lineage.expressions import value
from mlbridge.lineage.flows import (
    EMPTY,
    Column,
    Flows,
    Output,
    Table,
    alike,
    beside,
    bounded,
    conditioned,
    influence,
    moment_of,
    moved,
    moves_of,
    of_branches,
    seen_from,
    united,
    until,
)
from mlbridge.lineage.graph import FILTERED, OTHER
from mlbridge.lineage.moments import UNKNOWN
from mlbridge.lineage.names import Names
from mlbridge.lineage.outputs import name_of, outputs_of
from mlbridge.lineage.pivots import pivoted
from mlbridge.lineage.prints import digest, of_rows, of_table, print_of
from mlbridge.lineage.rows import Moment, speaks_of
from mlbridge.lineage.scope import Scope
from mlbridge.lineage.sources import add_join, add_source, column_names

Tables = Mapping[str, Table]


class Queries:
    """Reads the queries of one node. `relation` finds what a table of the warehouse is, `inlined` what a CTE is that
    dbt wrote for another node."""

    def __init__(
        self,
        names: Names,
        relation: Callable[[exp.Table], Table],
        inlined: Callable[[str], Table | None],
        printed: bool = False,
    ) -> None:
        """Take the names of the dialect, how the node's tables are found, and whether fingerprints are wanted."""
        self._names, self._relation, self._inlined, self._printed = names, relation, inlined, printed

    def read(self, node: exp.Expr, outer: Scope | None = None, tables: Tables | None = None) -> Table:
        """Return the columns and rows of a query; `outer` is the query around it, whose columns it can name."""
        seen = self._with(node, outer, tables or {})
        if isinstance(node, exp.Select):
            return self._select(node, self._scope(outer, seen))
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, outer, seen)
        scope = self._scope(outer, seen)
        if isinstance(node, exp.Subquery) and not isinstance(node.this, exp.Table):
            table = self.read(node.this, outer, seen)
            for pivot in node.args.get("pivots") or ():
                table = pivoted(pivot, table, scope)
            return table
        if isinstance(node, exp.Pivot):
            add_source(node.this, scope)
            return pivoted(node, scope.sources[0].table, scope)
        add_source(node, scope)
        return beside((source.table for source in scope.sources), scope.rows)

    def _scope(self, outer: Scope | None, tables: Tables) -> Scope:
        return Scope(self._names, self.read, self._relation, tables, outer, printed=self._printed)

    def _with(self, node: exp.Expr, outer: Scope | None, tables: Tables) -> Tables:
        """Return the tables that a query can name: those around it and its own common table expressions."""
        clause = node.args.get("with_")
        if clause is None:
            return tables
        seen = dict(tables)
        for cte in clause.expressions:
            key = self._names.key(cte.args["alias"].this)
            inlined = self._inlined(key)
            seen[key] = self._common(cte, key, outer, seen, bool(clause.recursive)) if inlined is None else inlined
        return seen

    def _common(self, cte: exp.Expr, key: str, outer: Scope | None, seen: Tables, recursive: bool) -> Table:
        columns = column_names(cte.args["alias"], self._names)
        body = cte.this
        if not recursive or not isinstance(body, exp.SetOperation) or not self._names_itself(body, key):
            return self.read(body, outer, seen).renamed(columns)
        table = self.read(body.this, outer, seen).renamed(columns)
        for _ in (*table.outputs, None):  # a value can wander one column further with each round
            more = self.read(body, outer, {**seen, key: table}).renamed(columns)
            pairs = list(zip(table.outputs, more.outputs, strict=False))
            if all(_facts(one) == _facts(other) for one, other in pairs):
                return more
            # A moment that a round moves is moved on by each further one, nobody knows how far.
            moved = [other._replace(column=_settled(one.column, other.column)) for one, other in pairs]
            table = replace(more, outputs=moved)
        return table

    def _names_itself(self, body: exp.Expr, key: str) -> bool:
        return any(self._names.key(table.this) == key for table in body.find_all(exp.Table) if not table.db)

    def _set_operation(self, node: exp.Expr, outer: Scope | None, seen: Tables) -> Table:
        """Read a union by position or by name; of intersect and except the values are those of the left side."""
        leaves = [self.read(each, outer, seen) for each in _leaves(node)]
        rows: Flows = frozenset().union(*(leaf.rows for leaf in leaves))
        if not isinstance(node, exp.Union):
            left, *others = leaves
            rows |= influence((output.column for other in others for output in other.outputs), FILTERED)
            printed = digest((node.key, *map(of_table, leaves))) if self._printed else ""
            return Table(
                left.outputs, rows | self._limit(node, left), left.unknown, print=printed, correlated=left.correlated
            )
        table = (_by_name if node.args.get("by_name") else _by_position)(leaves, self._printed)
        table.rows = rows | self._limit(node, table)
        table.correlated = any(leaf.correlated for leaf in leaves)
        if self._printed:
            table.print = digest((str(node.args.get("distinct")), *(leaf.print for leaf in leaves)))
        return table

    def _limit(self, node: exp.Expr, table: Table) -> Flows:
        if not _is_limited(node):
            return frozenset()
        scope = self._scope(None, {})
        scope.aliases = {output.key: output.column for output in table.outputs}
        return influence(_ordering(node, table.outputs, scope), FILTERED)

    def _select(self, node: exp.Select, scope: Scope) -> Table:
        source, where = node.args.get("from_"), node.args.get("where")
        if source is not None:
            add_source(source.this, scope)
        for join in node.args.get("joins") or ():
            add_join(join, scope)
        for lateral in node.args.get("laterals") or ():
            add_source(lateral, scope)
        if where is not None:
            restrict(where, scope, scope.sources)
        for window in node.args.get("windows") or ():
            scope.windows[self._names.key(window.this)] = window
        width, outputs = _outputs(node, scope)
        if _groups_several_times(node):
            # A total over some of the keys has NULL in the others, moments among them.
            outputs = [each._replace(column=replace(each.column, shift=UNKNOWN, plain=UNKNOWN)) for each in outputs]
        groups = _grouping(node, outputs, scope)
        if _is_aggregate(node) and not scope.correlated:
            outputs = _gathered(node, outputs, groups, scope)
        deciding = [
            value(clause.this, scope)
            for name in ("where", "having", "qualify")
            if (clause := node.args.get(name)) is not None
        ]
        deciding += groups
        distinct = node.args.get("distinct")
        on = distinct.args.get("on") if distinct is not None else None
        if on is not None:
            deciding += [value(on, scope)]
        if on is not None or _is_limited(node):
            deciding += _ordering(node, outputs, scope)
        unknown = _passed_on(node, scope)
        rows = scope.rows | influence(deciding, FILTERED)
        return Table(outputs, rows, unknown, None, width, of_rows(node, scope), scope.correlated)


def _outputs(node: exp.Select, scope: Scope) -> tuple[int, list[Output]]:
    """Return the columns of a SELECT; over a union for each branch that WHERE and ON let in, with their number.

    Fingerprints are those of the whole.
    """
    source = scope.united()
    if source is None or scope.printed:
        return 0, outputs_of(node, scope)
    joins = [join for join in node.args.get("joins") or () if join.args.get("on") is not None]
    inner = [join.args["on"] for join in joins if join.side == "" and join.kind != "ANTI"]
    conditions = [*inner, *_conditions(node, "where")]
    kept = [branch for branch in scope.each_branch() if branch is not None and not is_left_out(conditions, scope)]
    if 0 < len(kept) < source.table.width:
        source.table = source.table.of_branches(kept)
    if scope.united() is None or _is_aggregate(node):
        return 0, outputs_of(node, scope)
    read = []
    for _ in scope.each_branch():
        scope.aliases = {}
        read.append((outputs_of(node, scope), is_left_out(_conditions(node, "qualify"), scope)))
    scope.aliases = {}
    found = [outputs for outputs, left_out in read if not left_out] or [outputs for outputs, _ in read]
    outputs = [
        first._replace(column=of_branches([each.column for each in (first, *rest)]))
        for first, *rest in zip(*found, strict=True)
    ]
    scope.aliases = {each.key: each.column for each in outputs}
    return len(found) if len(found) > 1 else 0, outputs


def _conditions(node: exp.Select, name: str) -> list[exp.Expr]:
    clause = node.args.get(name)
    return [] if clause is None else [clause.this]


def _is_aggregate(node: exp.Select) -> bool:
    """Return whether a row of the result is made of several rows."""
    if any(node.args.get(part) is not None for part in ("group", "distinct", "having")):
        return True
    return any(_aggregates(part, node) for part in node.expressions)


def _gathered(node: exp.Select, outputs: list[Output], groups: Iterable[Column], scope: Scope) -> list[Output]:
    """Return outputs whose aggregates take values from other rows, which are alike in what they are grouped by."""
    same = [pair for each in groups for pair in alike(each, each)]
    held, row = [moved(OTHER, "", same)], moves_of(groups)
    outputs = [each._replace(column=seen_from(each.column, row)) for each in outputs]
    keys = {scope.names.key(name_of(each)) for each in node.expressions if _aggregates(each, node)}
    bounds = _bounds(groups, scope)
    return [
        each._replace(column=conditioned(_until(each.column, bounds), held)) if each.key in keys else each
        for each in outputs
    ]


def _bounds(groups: Iterable[Column], scope: Scope) -> list[tuple[int, frozenset[Moment]]]:
    """Return the sources of a self join whose rows a moment bounds that is grouped by, by number."""
    moments = [moment for each in groups if (moment := moment_of(each)) is not None]
    found = []
    for each in scope.sources:
        of = frozenset(one for one in moments if speaks_of(one, frozenset(each.until)))
        if each.mark is not None and of:
            found.append((each.mark, of))
    return found


def _until(column: Column, bounds: Iterable[tuple[int, frozenset[Moment]]]) -> Column:
    for mark, moments in bounds:
        column = until(column, mark, moments)
    return column


def _aggregates(part: exp.Expr, node: exp.Select) -> bool:
    return any(each.find_ancestor(exp.Window, exp.Query) is node for each in part.find_all(exp.AggFunc))


def _leaves(node: exp.Expr) -> list[exp.Expr]:
    """Return the queries that a chain of the same set operation combines, without recursion: chains can be long."""
    found: list[exp.Expr] = []
    while True:
        found.append(node.expression)
        left = node.this
        same = type(left) is type(node) and left.args.get("by_name") == node.args.get("by_name")
        if not same or left.args.get("with_") is not None or _is_limited(left):
            return [left, *reversed(found)]
        node = left


def _by_position(leaves: list[Table], printed: bool) -> Table:
    first, *others = leaves
    outputs = []
    for index, output in enumerate(first.outputs):
        branches = [output.column]
        for other in others:
            at = other.outputs[index].column if index < len(other.outputs) else other.guess(output.key)
            branches.append(at or EMPTY)
        outputs.append(Output(output.key, output.name, united(branches, _print(branches, printed))))
    if not first.outputs:  # only a star over a table whose columns are not known: the names are those of the others
        return Table(_by_name(leaves, printed).outputs, unknown=tuple(each for leaf in leaves for each in leaf.unknown))
    return Table(outputs, unknown=tuple(each for leaf in leaves for each in leaf.unknown), width=len(leaves))


def _print(branches: list[Column], printed: bool) -> str:
    return digest(map(print_of, branches)) if printed else ""


def _by_name(leaves: list[Table], printed: bool) -> Table:
    names = {output.key: output.name for leaf in reversed(leaves) for output in reversed(leaf.outputs)}
    ordered = dict.fromkeys(output.key for leaf in leaves for output in leaf.outputs)
    outputs = []
    for key in ordered:
        branches = [leaf.find(key) or leaf.guess(key) or EMPTY for leaf in leaves]
        outputs.append(Output(key, names[key], united(branches, _print(branches, printed))))
    return Table(outputs, unknown=tuple(each for leaf in leaves for each in leaf.unknown), width=len(leaves))


def _facts(output: Output) -> tuple[object, ...]:
    return output.column.flows, output.column.shift, output.column.plain


def _settled(before: Column, now: Column) -> Column:
    """Return a column of a recursive query; what the last round has changed of its moment or rows is unknown."""
    if (before.shift, before.plain) != (now.shift, now.plain):
        now = replace(now, shift=UNKNOWN, plain=UNKNOWN)
    return now if before.flows == now.flows else replace(now, flows=bounded(now, None).flows)


def _is_limited(node: exp.Expr) -> bool:
    return any(node.args.get(name) is not None for name in ("limit", "offset", "fetch"))


def _ordering(node: exp.Expr, outputs: list[Output], scope: Scope) -> list[Column]:
    order = node.args.get("order")
    return [] if order is None else [_of_output(each.this, outputs, scope, True) for each in order.expressions]


def _groups_several_times(node: exp.Select) -> bool:
    group = node.args.get("group")
    return group is not None and any(group.args.get(name) for name in ("rollup", "cube", "grouping_sets"))


def _grouping(node: exp.Select, outputs: list[Output], scope: Scope) -> list[Column]:
    """Return the columns that `group by` names; `all` means every output without an aggregate."""
    group = node.args.get("group")
    if group is None:
        return []
    found = [_of_output(each, outputs, scope, False) for each in group.expressions]
    for name in ("rollup", "cube", "grouping_sets"):
        found += [value(part, scope) for each in group.args.get(name) or () for part in each.expressions]
    if group.args.get("all") or (len(group.expressions) == 1 and group.expressions[0].name.lower() == "all"):
        found += _without_aggregates(node, scope)
    return found


def _without_aggregates(node: exp.Select, scope: Scope) -> Iterable[Column]:
    for each in node.expressions:
        if not each.find(exp.AggFunc):
            yield value(each, scope)


def _of_output(node: exp.Expr, outputs: list[Output], scope: Scope, output_first: bool) -> Column:
    """Read an expression of `group by` or `order by`, which may be the number or the name of an output."""
    if isinstance(node, exp.Literal) and node.is_int and 0 < int(node.name) <= len(outputs):
        return outputs[int(node.name) - 1].column
    if output_first and isinstance(node, exp.Column) and not node.table:
        key = scope.names.key(node.this)
        found = next((each.column for each in outputs if each.key == key), None)
        if found is not None:
            return found
    return value(node, scope)


def _passed_on(node: exp.Select, scope: Scope) -> tuple[str | Column, ...]:
    """Return what a star passes on of tables whose columns are not known."""
    found: list[str | Column] = []
    for each in node.expressions:
        if each.is_star and not isinstance(each, exp.Count):
            table = each.args.get("table")
            key = None if table is None else scope.names.key(table)
            for source in scope.sources:
                if source.shown and key in (None, source.key):
                    found += source.table.unknown
    return tuple(found)
