"""What the value of an expression comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlglot import exp

from mlbridge.lineage.flows import (
    EMPTY,
    Column,
    Flow,
    aggregated,
    influence,
    merged,
    on_condition,
    origins,
    transformed,
)
from mlbridge.lineage.graph import FILTERED, Condition
from mlbridge.lineage.scope import Scope

RANKS = (exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile)


def value(node: exp.Expr, scope: Scope) -> Column:
    """Return what an expression comes from: copied where it is a column as it is, else transformed or aggregated."""
    read = READ.get(type(node))
    if read is not None:
        return read(node, scope)
    if isinstance(node, exp.Query):
        return _scalar(node, scope)
    found = _together(node.iter_expressions(), scope)
    return aggregated(found) if isinstance(node, exp.AggFunc) else transformed(found)


def _together(nodes: Iterable[exp.Expr], scope: Scope) -> Column:
    """Return what several expressions come from. What only combines values is taken apart, without recursion."""
    waiting, columns = list(nodes), []
    while waiting:
        node = waiting.pop()
        if type(node) not in READ and not isinstance(node, exp.Query | exp.AggFunc):
            waiting += node.iter_expressions()
        elif (column := value(node, scope)).flows:
            columns.append(column)
    if len(columns) == 1:
        return columns[0]
    return merged(columns) if columns else EMPTY


def _nothing(node: exp.Expr, scope: Scope) -> Column:
    return EMPTY


def _column(node: exp.Expr, scope: Scope) -> Column:
    return scope.column(node.parts)  # type: ignore[attr-defined] # a column has parts


def _inner(node: exp.Expr, scope: Scope) -> Column:
    return value(node.this, scope)


def _last(node: exp.Expr, scope: Scope) -> Column:
    """Read a named argument: its name is no column."""
    return value(node.expression, scope)


def _field(node: exp.Expr, scope: Scope) -> Column:
    """Read a field of a struct, which is copied."""
    return value(node.this, scope).part(node.expression.name)


def _struct(node: exp.Expr, scope: Scope) -> Column:
    """Read a struct that is put together, field by field."""
    fields = {
        each.this.name.lower(): value(each.expression, scope)
        for each in node.expressions
        if each.args.get("expression")
    }
    rest = [value(each, scope) for each in node.expressions if not each.args.get("expression")]
    return Column(transformed(merged((*fields.values(), *rest))).flows, fields=fields)


def _bracket(node: exp.Expr, scope: Scope) -> Column:
    """Read an element of a list or struct, which is copied."""
    inner = value(node.this, scope)
    if len(node.expressions) == 1 and node.expressions[0].is_string:
        return inner.part(node.expressions[0].name)
    index = _together(node.expressions, scope)
    return transformed(merged((inner, index))) if index.flows else inner


def _filter(node: exp.Expr, scope: Scope) -> Column:
    return _influenced(value(node.this, scope), [value(node.expression, scope)])


def _influenced(column: Column, by: Iterable[Column]) -> Column:
    more = influence(by, FILTERED)
    return Column(column.flows | more) if more else column


def _scalar(node: exp.Expr, scope: Scope) -> Column:
    """Read a subquery that stands for a value."""
    table = scope.query(node, scope, scope.tables)
    return Column(merged(output.column for output in table.outputs).flows | table.rows)


def _subquery(node: exp.Expr, scope: Scope) -> Column:
    return _scalar(node, scope) if isinstance(node.this, exp.Query) else value(node.this, scope)


def _exists(node: exp.Expr, scope: Scope) -> Column:
    """Read `exists`: which rows there are decides, not what they hold."""
    if not isinstance(node.this, exp.Query):
        return transformed(value(node.this, scope))
    return Column(scope.query(node.this, scope, scope.tables).rows)


def _in(node: exp.Expr, scope: Scope) -> Column:
    """Read `in`: the value is looked for among rows of a query, which decide like a filter."""
    parts = [value(part, scope) for part in (node.this, *node.expressions)]
    found = transformed(merged(parts))
    query = node.args.get("query")
    return found if query is None else _influenced(found, [_scalar(query.unnest(), scope)])


def _any(node: exp.Expr, scope: Scope) -> Column:
    inner = node.this.unnest() if isinstance(node.this, exp.Subquery) else node.this
    if isinstance(inner, exp.Query):
        return _influenced(EMPTY, [_scalar(inner, scope)])
    return transformed(value(inner, scope))


def _array(node: exp.Expr, scope: Scope) -> Column:
    found = _together(node.expressions, scope)
    return aggregated(found) if any(isinstance(each, exp.Query) for each in node.expressions) else transformed(found)


def _lambda(node: exp.Expr, scope: Scope) -> Column:
    names = [scope.names.key(each) for each in node.expressions]
    return transformed(value(node.this, scope.inside(names)))


def _comprehension(node: exp.Expr, scope: Scope) -> Column:
    variable = node.args["expression"]
    inner = scope.inside([scope.names.key(each) for each in variable.find_all(exp.Identifier)])
    parts = [node.this, node.args.get("condition")]
    columns = [value(part, inner) for part in parts if part is not None]
    return transformed(merged([value(node.args["iterator"], scope), *columns]))


def _window(node: exp.Expr, scope: Scope) -> Column:
    """Read a window: its argument is aggregated over the rows that the partition, the order and the frame choose.

    A rank is computed from the columns that order it.
    """
    partition, order = _window_parts(node, scope)
    argument = aggregated(value(node.this, scope))
    ordering = _together(order, scope)
    function = node.this.this if isinstance(node.this, exp.IgnoreNulls | exp.RespectNulls | exp.Filter) else node.this
    deciding = [value(each, scope) for each in partition]
    if isinstance(function, RANKS):
        argument = aggregated(merged((argument, ordering)))
    else:
        deciding.append(ordering)
    found = _influenced(argument, deciding)
    return _placed(found, node, [node.this, *partition], order[0].expressions[0].this, scope) if order else found


def _placed(column: Column, node: exp.Expr, parts: list[exp.Expr], order: exp.Expr, scope: Scope) -> Column:
    """Put a window as condition on what comes through it, with the columns that place the rows.

    The rows of a union are placed by what its branch has in the place of the column that orders the window.
    """
    text = node.sql(scope.names.dialect)
    ordering = value(order, scope)
    names = [name for part in (*parts, order) for name in part.find_all(exp.Column)]
    columns = [value(name, scope) for name in names]
    flows: set[Flow] = set()
    for each in column.flows:
        branches = {
            index
            for other in columns
            if len(other.branches) == len(ordering.branches)
            for index, branch in enumerate(other.branches)
            if (each.node, each.column) in {(flow.node, flow.column) for flow in branch.flows}
        }
        earlier = merged(ordering.branches[index] for index in branches) if branches else ordering
        condition = Condition(text, "window", origins(earlier), origins(ordering))
        flows |= on_condition(Column(frozenset({each})), condition).flows
    return Column(frozenset(flows))


def _window_parts(node: exp.Expr, scope: Scope) -> tuple[list[exp.Expr], list[exp.Expr]]:
    """Return what a window partitions and orders by; a named window lends what is not said."""
    order = node.args.get("order")
    partition, ordered = list(node.args.get("partition_by") or ()), [order] if order is not None else []
    name = node.args.get("alias")
    named = scope.windows.get(scope.names.key(name)) if isinstance(name, exp.Identifier) else None
    if named is None:
        return partition, ordered
    more, ordered_by = _window_parts(named, scope)
    return partition or more, ordered or ordered_by


READ: dict[type[Any], Callable[[exp.Expr, Scope], Column]] = {
    exp.Column: _column,
    exp.Alias: _inner,
    exp.Paren: _inner,
    exp.Dot: _field,
    exp.StructExtract: _field,
    exp.Struct: _struct,
    exp.Bracket: _bracket,
    exp.Literal: _nothing,
    exp.Star: _nothing,
    exp.DataType: _nothing,
    exp.Identifier: _nothing,
    exp.Var: _nothing,
    exp.PropertyEQ: _last,
    exp.Kwarg: _last,
    exp.Filter: _filter,
    exp.Subquery: _subquery,
    exp.Exists: _exists,
    exp.In: _in,
    exp.Any: _any,
    exp.All: _any,
    exp.Array: _array,
    exp.Lambda: _lambda,
    exp.Comprehension: _comprehension,
    exp.Window: _window,
}
