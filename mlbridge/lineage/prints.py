"""Fingerprints of columns and rows: they change where an expression on the way from the parents changes.

Two texts of a node are compared by them: column by column, so that a change of one column is no change of the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from sqlglot import exp

from mlbridge.lineage.flows import Column
from mlbridge.lineage.scope import Scope
from mlbridge.lineage.tables import Table

# The clauses of a SELECT that decide about its rows.
DECIDING = ("where", "group", "having", "qualify", "distinct", "limit", "offset", "fetch", "windows")


def digest(parts: Iterable[str]) -> str:
    """Return the MD5 of texts."""
    return hashlib.md5("\0".join(parts).encode(), usedforsecurity=False).hexdigest()


def print_of(column: Column) -> str:
    """Return the fingerprint of a column; that of a parent's column is where it comes from."""
    return column.print or digest(sorted(f"{each.node}\0{each.column}\0{each.how}" for each in column.flows))


def of_table(table: Table) -> str:
    """Return the fingerprint of all columns of a table and of its rows."""
    return digest((table.print, *(f"{each.key}\0{print_of(each.column)}" for each in table.outputs)))


def printed(column: Column, node: exp.Expr, scope: Scope) -> Column:
    """Return the column of an expression with its fingerprint. A column that is only copied keeps its own."""
    inner = node.this if isinstance(node, exp.Alias) else node
    if isinstance(inner, exp.Column) or not scope.printed:
        return column
    return replace(column, print=_of_expression(inner, scope))


def of_rows(select: exp.Select, scope: Scope) -> str:
    """Return the fingerprint of what decides about the rows of a SELECT."""
    if not scope.printed:
        return ""
    clauses = [clause for name in DECIDING if (clause := select.args.get(name)) is not None]
    if _is_ordered(select) and select.args.get("order") is not None:
        clauses.append(select.args["order"])
    parts = [
        _of_expression(each, scope)
        for clause in clauses
        for each in (clause if isinstance(clause, list) else [clause])
        if each is not None
    ]
    for join in select.args.get("joins") or ():
        parts += [str(join.args.get(name) or "") for name in ("kind", "side", "method")]
        parts += [_of_expression(join.args["on"], scope)] if join.args.get("on") is not None else []
        parts += [each.name for each in join.args.get("using") or ()]
    tables = [source.table.print or str(source.table.relation) for source in scope.sources]
    return tables[0] if len(tables) == 1 and not parts else digest((*parts, *tables))


def _is_ordered(select: exp.Select) -> bool:
    distinct = select.args.get("distinct")
    on = distinct is not None and distinct.args.get("on") is not None
    return on or any(select.args.get(name) is not None for name in ("limit", "offset", "fetch"))


def _of_expression(node: exp.Expr, scope: Scope) -> str:
    """Return the fingerprint of an expression: its text, and that of each column and table that it names."""
    columns = [_of_name(each, scope) for each in node.find_all(exp.Column)]
    tables = [
        of_table(scope.tables[key])
        for each in node.find_all(exp.Table)
        if (key := scope.names.key(each.this)) in scope.tables
    ]
    plain = node.transform(lambda each: exp.to_identifier("x") if isinstance(each, exp.Column) else each)
    return digest((plain.sql(scope.names.dialect), *columns, *tables))


def _of_name(node: exp.Column, scope: Scope) -> str:
    """Return the fingerprint of a column; within a subquery it may be one of there, which is known by its name."""
    found = scope.column(node.parts)
    return print_of(found) if found.flows or found.print else node.sql(scope.names.dialect)
