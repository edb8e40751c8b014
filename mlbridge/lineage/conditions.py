"""Comparisons between two sources: which rows of one a row of the other meets."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from mlbridge.lineage.expressions import value
from mlbridge.lineage.flows import origins
from mlbridge.lineage.graph import Condition
from mlbridge.lineage.scope import Scope, Source


def compare(node: exp.Expr, sources: list[Source], scope: Scope) -> None:
    """Put the comparisons of a join or filter as conditions on the sources that they place in time or order.

    An equality places rows only if one of its sides is computed, such as `a.at = b.at - interval 1 day`.
    """
    for comparison, earlier, later in list(_comparisons(node)):
        if earlier.find(exp.Column) is None or later.find(exp.Column) is None:
            continue
        for source in sources:
            here, there = (_of(source, side, scope) for side in (earlier, later))
            if here == there:  # both sides name the source, or neither does
                continue
            sides = (origins(value(side, scope)) for side in (earlier, later))
            source.conditions += (Condition(comparison.sql(scope.names.dialect), "join", *sides),)


def _comparisons(node: exp.Expr) -> Iterator[tuple[exp.Expr, exp.Expr, exp.Expr]]:
    """Yield the comparisons that must all hold, each with the side that is less and the side that is more."""
    if isinstance(node, exp.And):
        for side in node.flatten():
            yield from _comparisons(side)
    elif isinstance(node, exp.Paren):
        yield from _comparisons(node.this)
    elif isinstance(node, exp.LT | exp.LTE):
        yield node, node.left, node.right
    elif isinstance(node, exp.GT | exp.GTE):
        yield node, node.right, node.left
    elif isinstance(node, exp.EQ) and not (_is_plain(node.left) and _is_plain(node.right)):
        yield node, node.left, node.right
    elif isinstance(node, exp.Between):
        yield node, node.args["low"], node.this
        yield node, node.this, node.args["high"]


def _is_plain(node: exp.Expr) -> bool:
    return isinstance(node.unnest(), exp.Column)


def _of(source: Source, node: exp.Expr, scope: Scope) -> bool:
    """Return whether an expression names a column of a source."""
    for each in node.find_all(exp.Column):
        if each.table:
            if scope.names.key(each.args["table"]) == source.key:
                return True
        elif source.table.find(scope.names.key(each.this)) is not None:
            return True
    return False
