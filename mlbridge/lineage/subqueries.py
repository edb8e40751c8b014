"""Queries within expressions: those that stand for a value, and those among whose rows something is looked for.

Which rows there are decides, as a filter does. A query that takes nothing of its rows, such as `exists` or one that
counts them, tells what it asks of them in its WHERE.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from mlbridge.lineage.flows import Column, aggregated, influence, merged, places
from mlbridge.lineage.graph import FILTERED, OTHER
from mlbridge.lineage.held import bounded, conditioned, moved
from mlbridge.lineage.scope import Scope


def scalar(node: exp.Expr, scope: Scope) -> Column:
    """Read a subquery that stands for a value."""
    table = scope.query(node, scope, scope.tables)
    found = bounded(merged(output.column for output in table.outputs), None)
    if not places(found):
        found = merged((found, aggregated(table.asked)))
    if not table.correlated:  # one row for all
        found = conditioned(found, [moved(OTHER, "", ())])
    return Column(found.flows | table.rows)


def existing(node: exp.Expr, scope: Scope) -> Column:
    """Read whether a query has rows."""
    table = scope.query(node, scope, scope.tables)
    return Column(aggregated(table.asked).flows | table.rows)


def among(column: Column, query: exp.Expr, scope: Scope) -> Column:
    """Return a column that is looked for among the rows of a query."""
    table = scope.query(query, scope, scope.tables)
    found = influenced(merged((column, aggregated(table.asked))), [each.column for each in table.outputs])
    return Column(found.flows | influence([Column(table.rows)], FILTERED))


def influenced(column: Column, by: Iterable[Column]) -> Column:
    """Return a column of which others decide which rows its values are of."""
    more = influence(by, FILTERED)
    return Column(column.flows | more)
