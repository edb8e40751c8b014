"""What the value of an expression comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from sqlglot import exp

from mlbridge.lineage.comparisons import conjuncts
from mlbridge.lineage.conditions import guarded, holders
from mlbridge.lineage.flows import (
    EMPTY,
    NULL,
    Column,
    aggregated,
    influence,
    merged,
    moment_of,
    part_of,
    placed_by,
    places,
    transformed,
)
from mlbridge.lineage.frames import (
    kind_in_order,
    kind_of_moments,
    looks_ahead,
    window_function,
    window_kind,
    window_span,
)
from mlbridge.lineage.graph import AHEAD, ANY, BEFORE, COPIED, FILTERED, GAP, OTHER, UNTIL, Condition
from mlbridge.lineage.held import Held, alike, bounded, conditioned, moved
from mlbridge.lineage.parts import is_partial, is_sure_part
from mlbridge.lineage.ranks import RANKS, is_in_time, numbered
from mlbridge.lineage.scope import Scope
from mlbridge.lineage.subqueries import among, existing, influenced, scalar
from mlbridge.lineage.sums import is_readable, shift


def value(node: exp.Expr, scope: Scope) -> Column:
    """Return what an expression comes from: copied where it is a column as it is, else transformed or aggregated."""
    read = READ.get(type(node))
    if read is not None:
        return read(node, scope)
    if isinstance(node, exp.Query):
        return scalar(node, scope)
    if is_partial(node):
        return _shifted(_part(node, scope), node, scope)
    found = _together(node.iter_expressions(), scope)
    found = aggregated(found) if isinstance(node, exp.AggFunc) else transformed(found)
    return _shifted(found, node, scope)


def _part(node: exp.Expr, scope: Scope) -> Column:
    """Read what keeps a part of a value: of a column as it is or cast, since it may take off what was put on before."""
    found = _together(node.iter_expressions(), scope, casts=True)
    return transformed(part_of(found) if is_sure_part(node) else part_of(found, (COPIED,)))


def _shifted(column: Column, node: exp.Expr, scope: Scope) -> Column:
    """Say of a column how its value lies to the moment that it is computed from, if its expression can be read."""
    if not is_readable(node):
        return column
    return replace(column, shift=shift(node, scope.shift_of), plain=shift(node, scope.plain_of))


def _together(nodes: Iterable[exp.Expr], scope: Scope, casts: bool = False) -> Column:
    """Return what several expressions come from. What only combines values is taken apart, without recursion.

    So are `casts`, if what is cast counts as it was.
    """
    waiting, columns = list(nodes), []
    while waiting:
        node = waiting.pop()
        if casts and isinstance(node, exp.Cast | exp.Paren):
            waiting.append(node.this)
        elif type(node) not in READ and not isinstance(node, (exp.Query, exp.AggFunc)) and not is_partial(node):
            waiting += node.iter_expressions()
        elif (column := value(node, scope)).flows:
            columns.append(column)
    if len(columns) == 1:
        return columns[0]
    return merged(columns) if columns else EMPTY


def _nothing(node: exp.Expr, scope: Scope) -> Column:
    return EMPTY


def _constant(node: exp.Expr, scope: Scope) -> Column:
    return Column(constant=node.sql())


def _cast(node: exp.Expr, scope: Scope) -> Column:
    """Read a cast: a NULL stays one, and another value is transformed."""
    inner = value(node.this, scope)
    if inner.constant == NULL:
        return inner
    return _shifted(_part(node, scope) if is_partial(node) else transformed(inner), node, scope)


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
    """Read an element of a list or struct, which is copied, or a part of a list or text."""
    inner = value(node.this, scope)
    if not is_partial(node):
        return inner.part(node.expressions[0].name)
    is_copied = any(each.how == COPIED for each in inner.flows) and not _together(node.expressions, scope).flows
    return part_of(Column(inner.flows), (COPIED,)) if is_copied else _part(node, scope)


def _filter(node: exp.Expr, scope: Scope) -> Column:
    """Read an aggregate of some rows; one that takes nothing of them, as `count(*)`, tells what it asks of them."""
    with guarded(node.expression, scope):
        column = value(node.this, scope)
        asked_of = EMPTY if places(column) else aggregated(asked(node.expression, scope))
    return influenced(merged((column, asked_of)), [value(node.expression, scope)])


def asked(condition: exp.Expr, scope: Scope) -> Column:
    """Return what a condition asks of rows: of one source's at a time, since others compare rows to join them."""
    parts = [value(each, scope) for each in conjuncts(condition) if len(holders(each, scope)) < 2]
    return part_of(transformed(merged(parts)))


def _within_group(node: exp.Expr, scope: Scope) -> Column:
    """Read an aggregate of values in an order, such as a percentile: they are what it is ordered by."""
    return aggregated(_together([node.this, node.expression], scope))


def _subquery(node: exp.Expr, scope: Scope) -> Column:
    return scalar(node, scope) if isinstance(node.this, exp.Query) else value(node.this, scope)


def _exists(node: exp.Expr, scope: Scope) -> Column:
    inner = node.this
    return existing(inner, scope) if isinstance(inner, exp.Query) else transformed(value(inner, scope))


def _in(node: exp.Expr, scope: Scope) -> Column:
    """Read `in`: the value is looked for in a list, or among rows of a query, which decide like a filter."""
    lists = [node.args[key] for key in ("field", "unnest") if node.args.get(key) is not None]
    lists = [part for each in lists for part in (each.expressions if isinstance(each, exp.Unnest) else [each])]
    parts = [value(part, scope) for part in (node.this, *node.expressions, *lists)]
    found = part_of(transformed(merged(parts)))
    query = node.args.get("query")
    return found if query is None else among(found, query.unnest(), scope)


def _any(node: exp.Expr, scope: Scope) -> Column:
    inner = node.this.unnest() if isinstance(node.this, exp.Subquery) else node.this
    if isinstance(inner, exp.Query):
        return among(EMPTY, inner, scope)
    return transformed(value(inner, scope))


def _array(node: exp.Expr, scope: Scope) -> Column:
    found = _together(node.expressions, scope)
    return aggregated(found) if any(isinstance(each, exp.Query) for each in node.expressions) else transformed(found)


def _series(node: exp.Expr, scope: Scope) -> Column:
    """Read a series of moments: where it begins and ends decides which there are, as a filter does."""
    parts = [value(each, scope) for each in node.iter_expressions()]
    step = node.args.get("step")
    is_of_moments = not isinstance(node, exp.GenerateSeries) or (step is not None and step.find(exp.Interval))
    return Column(influence(parts, FILTERED)) if is_of_moments else transformed(merged(parts))


def _lambda(node: exp.Expr, scope: Scope) -> Column:
    names = [scope.names.key(each) for each in node.expressions]
    return transformed(value(node.this, scope.inside(names)))


def _comprehension(node: exp.Expr, scope: Scope) -> Column:
    variable = node.args["expression"]
    inner = scope.inside([scope.names.key(each) for each in variable.find_all(exp.Identifier)])
    parts = [node.this, node.args.get("condition")]
    columns = [value(part, inner) for part in parts if part is not None]
    return transformed(merged([value(node.args["iterator"], scope), *columns]))


def _case(node: exp.Expr, scope: Scope) -> Column:
    """Read `case`: a value comes along only where its condition holds, which tells no more than that."""
    chosen, default = node.args.get("this"), node.args.get("default")
    columns = [] if chosen is None else [part_of(value(chosen, scope))]
    columns += [] if default is None else [value(default, scope)]
    return transformed(merged([*columns, *(_if(each, scope) for each in node.args["ifs"])]))


def _if(node: exp.Expr, scope: Scope) -> Column:
    other = node.args.get("false")
    with guarded(node.this, scope):
        columns = [part_of(value(node.this, scope)), value(node.args["true"], scope)]
    return transformed(merged([*columns, *([] if other is None else [value(other, scope)])]))


def _count_if(node: exp.Expr, scope: Scope) -> Column:
    with guarded(node.this, scope):
        return aggregated(part_of(value(node.this, scope)))


def _window(node: exp.Expr, scope: Scope) -> Column:
    """Read a window: its argument is aggregated over the rows that the partition, the order and the frame choose.

    A rank is computed from the columns that order it. Over a union, each row that gives a value is placed by what
    orders it in its own branch, which tells nothing if that is cut off or shifted by more than the frame leaves out.
    """
    parts = _window_parts(node, scope)
    partition, order = list(parts.get("partition_by") or ()), parts.get("order")
    row = EMPTY if order is None else value(order.expressions[0].this, scope)
    kind, span = window_kind(node, order, parts.get("spec")), window_span(order, parts.get("spec"))
    same = [pair for each in partition for pair in alike(*[value(each, scope)] * 2)]
    if not is_in_time(row.shift.rank, same):
        kind = ANY
    text = node.sql(scope.names.dialect)
    is_rank = isinstance(window_function(node), RANKS)
    looks_back = kind in (GAP, BEFORE, UNTIL)
    is_ahead = looks_ahead(kind, order, parts.get("spec"))
    moves = [] if looks_back and not is_rank else [moved(AHEAD if is_ahead else OTHER, text, same)]
    giving, deciding = [], []
    for branch in scope.each_branch(None if order is None else order.expressions[0].this):
        argument = aggregated(value(node.this, scope))
        deciding += [value(each, scope) for each in partition]
        if order is not None:
            ordering = value(order, scope)
            if is_rank:
                argument = aggregated(merged((argument, ordering)))
            else:
                deciding.append(ordering)
            ordered_by = value(order.expressions[0].this, scope)
            if branch is None:
                sure, plain = kind_in_order(kind, ordered_by.shift), kind_in_order(kind, ordered_by.plain)
            else:
                sure = kind_of_moments(kind, span, ordered_by.shift, row.shift)
                plain = kind_of_moments(kind, span, ordered_by.plain, row.plain)
            if ordered_by.shift.nullable and order.expressions[0].args.get("nulls_first"):
                sure = plain = ANY
            moment = moment_of(ordered_by)
            condition = Condition(text, sure, placed_by(ordered_by), placed_by(row), plain)
            held = [] if moment is None else [Held(condition, moment)]
            argument = bounded(conditioned(argument, held), moment_of(row) if looks_back or is_rank else None)
        argument = conditioned(argument, moves)
        giving.append(bounded(argument, None) if order is None else argument)
    found = influenced(merged(giving), deciding)
    return numbered(found, node, order, row, same) if is_rank and order is not None else found


def _window_parts(node: exp.Expr, scope: Scope) -> dict[str, Any]:
    """Return what a window partitions and orders by, and its frame; a named window lends what is not said."""
    own = {part: node.args.get(part) for part in ("partition_by", "order", "spec")}
    name = node.args.get("alias")
    named = scope.windows.get(scope.names.key(name)) if isinstance(name, exp.Identifier) else None
    return own if named is None else {**own, **{k: v for k, v in _window_parts(named, scope).items() if not own[k]}}


READ: dict[type[Any], Callable[[exp.Expr, Scope], Column]] = {
    exp.Column: _column,
    exp.Alias: _inner,
    exp.Paren: _inner,
    exp.Dot: _field,
    exp.StructExtract: _field,
    exp.Struct: _struct,
    exp.Bracket: _bracket,
    exp.Literal: _constant,
    exp.Null: _constant,
    exp.Boolean: _constant,
    exp.Cast: _cast,
    exp.Case: _case,
    exp.If: _if,
    exp.CountIf: _count_if,
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
    exp.GenerateSeries: _series,
    exp.GenerateDateArray: _series,
    exp.GenerateTimestampArray: _series,
    exp.Lambda: _lambda,
    exp.Comprehension: _comprehension,
    exp.Window: _window,
    exp.WithinGroup: _within_group,
}
