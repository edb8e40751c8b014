"""The columns and rows of a query: SELECT, set operations, common table expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from sqlglot import exp

from mlbridge.lineage.conditions import is_left_out, restrict
from mlbridge.lineage.expressions import asked, value
from mlbridge.lineage.flows import EMPTY, Column, Flows, influence
from mlbridge.lineage.graph import FILTERED
from mlbridge.lineage.groups import gathered, grouping, groups_several_times, is_aggregate, ordering
from mlbridge.lineage.held import bounded
from mlbridge.lineage.moments import UNKNOWN
from mlbridge.lineage.names import Names
from mlbridge.lineage.outputs import outputs_of
from mlbridge.lineage.pivots import pivoted
from mlbridge.lineage.prints import digest, of_rows, of_table
from mlbridge.lineage.scope import Scope
from mlbridge.lineage.sources import add_join, add_source, column_names
from mlbridge.lineage.tables import Output, Table, beside, of_branches
from mlbridge.lineage.unions import by_name, by_position, is_limited, leaves_of

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
        leaves = [self.read(each, outer, seen) for each in leaves_of(node)]
        rows: Flows = frozenset().union(*(leaf.rows for leaf in leaves))
        if not isinstance(node, exp.Union):
            left, *others = leaves
            rows |= influence((output.column for other in others for output in other.outputs), FILTERED)
            printed = digest((node.key, *map(of_table, leaves))) if self._printed else ""
            return Table(
                left.outputs, rows | self._limit(node, left), left.unknown, print=printed, correlated=left.correlated
            )
        table = (by_name if node.args.get("by_name") else by_position)(leaves, self._printed)
        table.rows = rows | self._limit(node, table)
        table.correlated = any(leaf.correlated for leaf in leaves)
        if self._printed:
            table.print = digest((str(node.args.get("distinct")), *(leaf.print for leaf in leaves)))
        return table

    def _limit(self, node: exp.Expr, table: Table) -> Flows:
        if not is_limited(node):
            return frozenset()
        scope = self._scope(None, {})
        scope.aliases = {output.key: output.column for output in table.outputs}
        return influence(ordering(node, table.outputs, scope), FILTERED)

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
        if groups_several_times(node):
            # A total over some of the keys has NULL in the others, moments among them.
            outputs = [each._replace(column=replace(each.column, shift=UNKNOWN, plain=UNKNOWN)) for each in outputs]
        groups = grouping(node, outputs, scope)
        if is_aggregate(node) and not scope.correlated:
            outputs = gathered(node, outputs, groups, scope)
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
        if on is not None or is_limited(node):
            deciding += ordering(node, outputs, scope)
        unknown = _passed_on(node, scope)
        rows = scope.rows | influence(deciding, FILTERED)
        told = EMPTY if where is None else asked(where.this, scope)
        return Table(outputs, rows, unknown, None, width, of_rows(node, scope), scope.correlated, told)


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
    if scope.united() is None or is_aggregate(node):
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


def _facts(output: Output) -> tuple[object, ...]:
    return output.column.flows, output.column.shift, output.column.plain


def _settled(before: Column, now: Column) -> Column:
    """Return a column of a recursive query; what the last round has changed of its moment or rows is unknown."""
    if (before.shift, before.plain) != (now.shift, now.plain):
        now = replace(now, shift=UNKNOWN, plain=UNKNOWN)
    return now if before.flows == now.flows else replace(now, flows=bounded(now, None).flows)


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
