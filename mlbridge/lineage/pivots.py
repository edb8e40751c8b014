"""PIVOT and UNPIVOT: rows that become columns, and columns that become rows."""

from __future__ import annotations

from itertools import product

from sqlglot import exp

from mlbridge.lineage.expressions import value
from mlbridge.lineage.flows import EMPTY, Column, influence, merged
from mlbridge.lineage.graph import FILTERED
from mlbridge.lineage.links import Source
from mlbridge.lineage.prints import digest, of_table, print_of
from mlbridge.lineage.scope import Scope
from mlbridge.lineage.tables import Output, Table


def pivoted(pivot: exp.Expr, table: Table, around: Scope) -> Table:
    """Return a table after a PIVOT or UNPIVOT."""
    scope = around.inside()
    scope.sources = [Source("", table)]
    found = _unpivot(pivot, table, scope) if pivot.args.get("unpivot") else _pivot(pivot, table, scope)
    if scope.printed:
        old = {print_of(each.column) for each in table.outputs}
        mark = digest((pivot.sql(scope.names.dialect), of_table(table)))
        found.print = mark
        found.outputs = [
            each
            if print_of(each.column) in old
            else each._replace(column=Column(each.column.flows, print=digest((mark, each.key))))
            for each in found.outputs
        ]
    return found


def _pivot(pivot: exp.Expr, table: Table, scope: Scope) -> Table:
    """Each new column is an aggregate over the rows in which the pivoted columns have one combination of values."""
    aggregates, fields = pivot.expressions, pivot.args.get("fields") or []
    if pivot.args.get("using"):  # as a statement: `pivot t on year using sum(amount)`
        aggregates, fields = pivot.args["using"], pivot.expressions
    heads = [each.this if isinstance(each, exp.In) else each for each in fields]
    values = [value(each, scope) for each in aggregates] or [EMPTY]
    deciding = influence([value(each, scope) for each in heads], FILTERED)
    used = {scope.names.key(each.this) for part in (*aggregates, *heads) for each in part.find_all(exp.Column)}
    group = pivot.args.get("group")
    if group is None:
        kept = [each for each in table.outputs if each.key not in used]
    else:
        kept = [
            Output(scope.names.key(each.this), scope.names.named(each.this), value(each, scope))
            for each in group.expressions
            if isinstance(each, exp.Column)
        ]
    columns = [Column(each.flows | deciding) for each in values]
    names = _names(pivot, aggregates, fields, scope)
    fresh = [
        Output(scope.names.key(name), scope.names.named(name), columns[index % len(columns)])
        for index, name in enumerate(names)
    ]
    rows = table.rows | influence((each.column for each in kept), FILTERED)
    unknown = () if names else (merged(columns),)
    return Table(kept + fresh, rows, unknown)


def _names(pivot: exp.Expr, aggregates: list[exp.Expr], fields: list[exp.Expr], scope: Scope) -> list[exp.Identifier]:
    """Return the names of the new columns; none where they depend on the rows. Aggregates vary fastest."""
    if pivot.args.get("columns") and (len(aggregates) == 1 or all(each.alias for each in aggregates)):
        return list(pivot.args["columns"])
    if not all(isinstance(each, exp.In) and each.expressions for each in fields):
        return []
    endings = [each.alias or each.sql(scope.names.dialect).lower() for each in aggregates]
    plain = len(aggregates) == 1 and not aggregates[0].alias
    heads = product(*([each.alias_or_name for each in field.expressions] for field in fields))
    return [
        exp.to_identifier("_".join(head if plain else (*head, ending)), quoted=True)
        for head in heads
        for ending in endings
    ]


def _unpivot(pivot: exp.Expr, table: Table, scope: Scope) -> Table:
    """The listed columns become one of values, beside one of their names, which comes from no row."""
    heads, targets, listed = _unpivot_parts(pivot)
    columns = [[value(each, scope) for each in group] for group in listed]
    used = {scope.names.key(each.this) for group in listed for part in group for each in part.find_all(exp.Column)}
    kept = [each for each in table.outputs if each.key not in used]
    named = [Output(scope.names.key(each), scope.names.named(each), EMPTY) for each in heads]
    valued = [
        Output(
            scope.names.key(each),
            scope.names.named(each),
            merged(group[index] for group in columns if index < len(group)),
        )
        for index, each in enumerate(targets)
    ]
    return Table([*kept, *named, *valued], table.rows, table.unknown)


def _unpivot_parts(pivot: exp.Expr) -> tuple[list[exp.Expr], list[exp.Expr], list[list[exp.Expr]]]:
    """Return the column of names, the columns of values, and the columns that become a row each."""
    into = pivot.args.get("into")
    if into is not None:
        return (
            [into.this.this],
            [_plain(each) for each in into.expressions],
            [_parts(each) for each in pivot.expressions],
        )
    fields = [each for each in pivot.args.get("fields") or () if isinstance(each, exp.In)]
    heads = [_plain(each.this) for each in fields]
    targets = [_plain(part) for each in pivot.expressions for part in _parts(each)]
    return heads, targets, [_parts(each) for field in fields for each in field.expressions]


def _parts(node: exp.Expr) -> list[exp.Expr]:
    inner = node.this if isinstance(node, exp.PivotAlias | exp.Alias) else node
    return list(inner.expressions) if isinstance(inner, exp.Tuple) else [inner.unnest()]


def _plain(node: exp.Expr) -> exp.Expr:
    return node.this if isinstance(node, exp.Column) else node
