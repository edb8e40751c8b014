"""What must hold of the rows that values come from: conditions on them, other rows, and what bounds them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from mlbridge.lineage.flows import Column, Flow, bundled
from mlbridge.lineage.graph import (
    AGGREGATED,
    OVER_ROWS,
    PART,
    VALUES,
    WHOLE,
    Condition,
    Conditions,
    moves,
    seen,
    without,
)
from mlbridge.lineage.rows import NOTHING_BOUNDS, Bounds, Moment, is_of_source, marked, speaks_of


class Held(NamedTuple):
    """A condition, and the moment of the row that gives a value which it is about; None: it is about all of the row."""

    condition: Condition
    about: Moment | None = None


class Pair(NamedTuple):
    """Two columns of relations that are equal, and how they are compared: `whole`, by a `part`, or `over rows`."""

    first: tuple[str, str]
    second: tuple[str, str]
    compared: str = WHOLE


COMPARED = (WHOLE, OVER_ROWS, PART)


def moved(kind: str, text: str, same: Iterable[Pair]) -> Held:
    """Return that a row takes values from other rows, which are like it in some columns."""
    earlier, later, compared = tuple(zip(*dict.fromkeys(same), strict=True)) or ((), (), ())
    return Held(Condition(text, kind, earlier, later, kind, compared=compared))


def alike(one: Column, other: Column) -> tuple[Pair, ...]:
    """Return the columns of relations that are the same in two rows where two columns are."""
    mine, its = _compared(one), _compared(other)
    return tuple(
        Pair(first, second, max(mine[first], its[second], key=COMPARED.index)) for first in mine for second in its
    )


def _compared(column: Column) -> dict[tuple[str, str], str]:
    """Return the columns of relations that a value comes from, in a fixed order, each with how it is compared by it."""
    found: dict[tuple[str, str], str] = {}
    for each in column.flows:
        if each.how in VALUES:
            how = PART if each.is_part else OVER_ROWS if each.how == AGGREGATED else WHOLE
            found[each.node, each.column] = min(found.get((each.node, each.column), PART), how, key=COMPARED.index)
    return dict(sorted(found.items()))


def conditioned(column: Column, conditions: Iterable[Held]) -> Column:
    """Return a column whose values come along only where conditions hold, as far as they are about its rows."""
    every = tuple(conditions)
    if not every:
        return column
    flows = frozenset(
        each._replace(conditions=_added(each, every)) if each.how in VALUES else each
        for each in bundled(column.flows, 1)
    )
    branches = tuple(conditioned(each, every) for each in column.branches)
    fields = {name: conditioned(each, every) for name, each in column.fields.items()}
    return replace(column, flows=flows, branches=branches, fields=fields)


def _added(flow: Flow, more: Iterable[Held]) -> Conditions:
    holding = (each.condition for each in more if each.about is None or speaks_of(each.about, flow.bounds))
    return (*flow.conditions, *(each for each in holding if each not in flow.conditions))


def moves_of(columns: Iterable[Column]) -> frozenset[Condition]:
    """Return the moves on all ways into all columns that come from any."""
    every = [each.conditions for column in columns for each in column.flows if each.how in VALUES]
    return frozenset.intersection(*(frozenset(moves(each)) for each in every)) if every else frozenset()


def seen_from(column: Column, row: frozenset[Condition]) -> Column:
    """Return a column as it is seen from another row, which is found by some moves from where the column was so far."""
    if not row:
        return column
    flows = frozenset(
        each._replace(conditions=seen(each.conditions, row)) if each.how in VALUES else each for each in column.flows
    )
    branches = tuple(seen_from(each, row) for each in column.branches)
    fields = {name: seen_from(each, row) for name, each in column.fields.items()}
    return replace(column, flows=flows, branches=branches, fields=fields)


def settled(column: Column, moves: frozenset[Condition]) -> Column:
    """Return a column without moves of which it is known that they are to earlier rows."""
    if not moves:
        return column
    flows = frozenset(each._replace(conditions=without(each.conditions, moves)) for each in column.flows)
    branches = tuple(settled(each, moves) for each in column.branches)
    fields = {name: settled(each, moves) for name, each in column.fields.items()}
    return replace(column, flows=flows, branches=branches, fields=fields)


def bounded(column: Column, by: Moment | None) -> Column:
    """Return a column over several rows, of which a moment is the last; None: nothing says which is."""
    fresh: Bounds = NOTHING_BOUNDS if by is None else frozenset({by})
    flows = (each._replace(bounds=fresh if speaks_of(by, each.bounds) else NOTHING_BOUNDS) for each in column.flows)
    return replace(column, flows=frozenset(flows))


def also_bounded(column: Column, before: Iterable[tuple[Moment, Moment]]) -> Column:
    """Return a column in which what a moment bounds is bounded by another one, too, which that is not later than."""
    every = tuple(before)
    if not every:
        return column
    flows = (
        each._replace(bounds=each.bounds.union(later for earlier, later in every if speaks_of(earlier, each.bounds)))
        for each in column.flows
    )
    return replace(column, flows=frozenset(flows))


def until(column: Column, mark: int, moments: frozenset[Moment]) -> Column:
    """Return a column in which a source of a self join has rows only until some moments of the other source's row."""
    flows = frozenset(
        each._replace(bounds=moments) if is_of_source(each.bounds, mark) else each for each in column.flows
    )
    return replace(column, flows=flows)


def of_source(column: Column, mark: int) -> Column:
    """Return a column of one source of a self join."""
    return replace(
        column,
        flows=frozenset(each._replace(bounds=marked(each.bounds, mark)) for each in column.flows),
        branches=tuple(of_source(each, mark) for each in column.branches),
        fields={name: of_source(each, mark) for name, each in column.fields.items()},
    )
