"""What stands in FROM: tables, subqueries, joins, table functions."""

from __future__ import annotations

from sqlglot import exp

from mlbridge.lineage.conditions import restrict
from mlbridge.lineage.expressions import value
from mlbridge.lineage.flows import EMPTY, Column, influence, merged, transformed
from mlbridge.lineage.graph import JOINED
from mlbridge.lineage.held import alike
from mlbridge.lineage.links import Source
from mlbridge.lineage.names import Names
from mlbridge.lineage.pivots import pivoted
from mlbridge.lineage.scope import Scope
from mlbridge.lineage.tables import Output, Table, beside


def column_names(alias: exp.Expr | None, names: Names) -> list[tuple[str, str]]:
    """Return the columns that an alias such as `t(a, b)` names: how each is found, and how it is written."""
    columns = [] if alias is None else alias.args.get("columns") or []
    found = [each.this if isinstance(each, exp.ColumnDef) else each for each in columns]
    return [(names.key(each), names.named(each)) for each in found]


def add_source(node: exp.Expr, scope: Scope) -> list[Source]:
    """Add what FROM names to a SELECT; returns the sources that were added, several for joins in brackets."""
    before = len(scope.sources)
    joins = node.args.get("joins") or ()
    if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table) and not node.alias:
        add_source(node.this, scope)
    else:
        table = _table(node, scope)
        for pivot in node.args.get("pivots") or ():
            table = pivoted(pivot, table, scope)
        alias = _alias_of(node)
        names = column_names(alias, scope.names)
        table = table.renamed(names) if names else table
        scope.add(Source(_key(node, alias, scope), table))
        scope.rows |= table.rows
    for join in joins:
        add_join(join, scope)
    return scope.sources[before:]


def _alias_of(node: exp.Expr) -> exp.Expr | None:
    pivots = node.args.get("pivots") or ()
    own = node.args.get("alias")
    return next((alias for pivot in pivots if (alias := pivot.args.get("alias")) is not None), own)


def _key(node: exp.Expr, alias: exp.Expr | None, scope: Scope) -> str:
    if isinstance(alias, exp.TableAlias):
        if alias.this is not None:
            return scope.names.key(alias.this)
    elif alias is not None:
        return scope.names.key(alias)
    inner = node.this
    if isinstance(node, exp.Table) and isinstance(inner, exp.Identifier):
        return scope.names.key(inner)
    return str(inner.name).lower() if isinstance(inner, exp.Anonymous) else ""


def _table(node: exp.Expr, scope: Scope) -> Table:
    if isinstance(node, exp.Table):
        return _named(node, scope)
    if isinstance(node, exp.Lateral):
        inner = node.this.unnest() if isinstance(node.this, exp.Subquery) else node.this
        return scope.query(inner, scope, scope.tables) if isinstance(inner, exp.Query) else _function(inner, scope)
    if isinstance(node, exp.Unnest):
        return _unnested(node, scope)
    if isinstance(node, exp.Values):
        return _values(node, scope)
    if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table):  # joins in brackets under an alias
        inside = scope.inside()
        found = add_source(node.this, inside)
        return beside((source.table for source in found), inside.rows)
    if isinstance(node, exp.Query | exp.Pivot):
        return scope.query(node.this if isinstance(node, exp.Subquery) else node, scope, scope.tables)
    return _function(node, scope)


def _named(node: exp.Table, scope: Scope) -> Table:
    if not isinstance(node.this, exp.Identifier):
        known = scope.relation(node)
        return known if known.relation is not None else _function(node.this, scope)
    if not node.db:
        common = scope.tables.get(scope.names.key(node.this))
        if common is not None:
            scope.correlated |= common.correlated
            return common
    return scope.relation(node)


def _function(node: exp.Expr, scope: Scope) -> Table:
    """Return what a table function gives: its columns come from its arguments, else from itself as from a source."""
    arguments = transformed(value(node, scope))
    return Table([], unknown=(arguments if arguments.flows else scope.names.outside(node),))


def _unnested(node: exp.Unnest, scope: Scope) -> Table:
    """Return the elements of lists, a column a list."""
    columns = [transformed(value(each, scope)) for each in node.expressions]
    alias = node.args.get("alias")
    names = column_names(alias, scope.names)
    if not names and len(columns) == 1 and alias is not None and alias.this is not None:
        names = [(scope.names.key(alias.this), scope.names.named(alias.this))]
    outputs = [
        Output(key, name, columns[index] if index < len(columns) else EMPTY) for index, (key, name) in enumerate(names)
    ]
    return Table(outputs, unknown=(merged(columns),))


def _values(node: exp.Values, scope: Scope) -> Table:
    rows = [each.expressions if isinstance(each, exp.Tuple) else [each] for each in node.expressions]
    width = max(map(len, rows), default=0)
    columns = [merged(value(row[index], scope) for row in rows if index < len(row)) for index in range(width)]
    return Table([Output(f"column{index}", f"column{index}", column) for index, column in enumerate(columns, start=1)])


def add_join(join: exp.Expr, scope: Scope) -> None:
    """Add a joined source. What the join compares decides about the rows; `using` makes two columns one."""
    kind = {str(join.args.get(name) or "") for name in ("kind", "side")}
    left = list(scope.sources)
    right = add_source(join.this, scope)
    if not isinstance(join.this, exp.Lateral | exp.Unnest):  # those say themselves which rows they are of
        on = join.args.get("on")
        for source in right:
            source.join("" if on is None else on.sql(scope.names.dialect))
    for name in _common(join, left, right, scope):
        key = scope.names.key(name)
        first = scope.shared.get(key)
        of_left = first[0] if first is not None else _first(left, key)
        of_right = _first(right, key)
        scope.rows |= influence([of_left, of_right], JOINED)
        for source in right:
            source.equal([key], alike(of_right, of_left), [(each, [key]) for each in _holding(left, key)])
        if not kind & {"SEMI", "ANTI"}:
            both = _shared(kind, of_left, of_right)
            among = (*(first[1] if first is not None else _holding(left, key)), *right)
            scope.shared[key] = (both, among)
    on = join.args.get("on")
    if on is not None:
        scope.rows |= influence([value(on, scope)], JOINED)
        # What an anti join keeps are the rows for which the condition does not hold.
        matched = {"LEFT": right, "RIGHT": left, "FULL": []}.get(join.args.get("side") or "", scope.sources)
        restrict(on, scope, [] if "ANTI" in kind else matched)
    if kind & {"SEMI", "ANTI"}:
        for source in right:
            source.shown = False


def _common(join: exp.Expr, left: list[Source], right: list[Source], scope: Scope) -> list[exp.Expr | str]:
    """Return the names of the columns that `using` or `natural` compares."""
    if join.args.get("method") == "NATURAL":
        shown = {output.key for source in left for output in source.table.outputs}
        return [
            exp.to_identifier(each.key, quoted=True)
            for source in right
            for each in source.table.outputs
            if each.key in shown
        ]
    return [each.this if isinstance(each, exp.Column) else each for each in join.args.get("using") or ()]


def _shared(kind: set[str], left: Column, right: Column) -> Column:
    if "FULL" in kind:
        return transformed(merged((left, right)))
    return right if "RIGHT" in kind else left


def _holding(sources: list[Source], key: str) -> tuple[Source, ...]:
    return tuple(source for source in sources if source.table.find(key) is not None)[:1]


def _first(sources: list[Source], key: str) -> Column:
    listed = [column for source in sources if (column := source.find(key)) is not None]
    guessed = [column for source in sources if (column := source.table.guess(key)) is not None]
    return next(iter(listed + guessed), EMPTY)
