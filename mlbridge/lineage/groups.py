"""What GROUP BY and aggregates make of a SELECT: which rows go into one, and what its keys are."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from mlbridge.lineage.expressions import value
from mlbridge.lineage.flows import Column, moment_of
from mlbridge.lineage.graph import OTHER
from mlbridge.lineage.held import alike, conditioned, moved, moves_of, seen_from, until
from mlbridge.lineage.outputs import name_of
from mlbridge.lineage.rows import Moment, speaks_of
from mlbridge.lineage.scope import Scope
from mlbridge.lineage.tables import Output


def is_aggregate(node: exp.Select) -> bool:
    """Return whether a row of the result is made of several rows."""
    if any(node.args.get(part) is not None for part in ("group", "distinct", "having")):
        return True
    return any(_aggregates(part, node) for part in node.expressions)


def gathered(node: exp.Select, outputs: list[Output], groups: Iterable[Column], scope: Scope) -> list[Output]:
    """Return outputs whose aggregates take values from other rows, which are alike in what they are grouped by."""
    same = [pair for each in groups for pair in alike(each, each)]
    held, row = [moved(OTHER, "", same)], moves_of(groups)
    outputs = [each._replace(column=seen_from(each.column, row)) for each in outputs]
    keys = {scope.names.key(name_of(each)) for each in node.expressions if _aggregates(each, node)}
    bounds = _bounded_sources(groups, scope)
    return [
        each._replace(column=conditioned(_bounded_by(each.column, bounds), held)) if each.key in keys else each
        for each in outputs
    ]


def _bounded_sources(groups: Iterable[Column], scope: Scope) -> list[tuple[int, frozenset[Moment]]]:
    """Return the sources of a self join whose rows a moment bounds that is grouped by, by number."""
    moments = [moment for each in groups if (moment := moment_of(each)) is not None]
    found = []
    for each in scope.sources:
        of = frozenset(one for one in moments if speaks_of(one, frozenset(each.until)))
        if each.mark is not None and of:
            found.append((each.mark, of))
    return found


def _bounded_by(column: Column, bounds: Iterable[tuple[int, frozenset[Moment]]]) -> Column:
    for mark, moments in bounds:
        column = until(column, mark, moments)
    return column


def _aggregates(part: exp.Expr, node: exp.Select) -> bool:
    return any(each.find_ancestor(exp.Window, exp.Query) is node for each in part.find_all(exp.AggFunc))


def groups_several_times(node: exp.Select) -> bool:
    """Return whether rows are grouped by several sets of keys at once."""
    group = node.args.get("group")
    return group is not None and any(group.args.get(name) for name in ("rollup", "cube", "grouping_sets"))


def grouping(node: exp.Select, outputs: list[Output], scope: Scope) -> list[Column]:
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


def ordering(node: exp.Expr, outputs: list[Output], scope: Scope) -> list[Column]:
    """Return the columns that `order by` names."""
    order = node.args.get("order")
    return [] if order is None else [_of_output(each.this, outputs, scope, True) for each in order.expressions]
