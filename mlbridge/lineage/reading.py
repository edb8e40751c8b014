"""What was read of one node, as the nodes that read it need to know it, and as it is kept for the next trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from mlbridge.lineage.flows import Column, moment_of
from mlbridge.lineage.graph import VALUES, Branches, Edge
from mlbridge.lineage.moments import EXACT, Shift
from mlbridge.lineage.rows import Bounds, Moment, Row, row_of, speaks_of

StoredBounds: TypeAlias = "Mapping[str, int | Sequence[str]]"
Shifts: TypeAlias = Mapping[str, Shift]  # by column, those that are unknown left out


@dataclass(frozen=True)
class Reading:
    """What was read of a node: its edges, columns, their shifts, and what they come from in each branch of a union.

    `bounds` are those of columns that are not of the node's row: the number of another one, or the columns of the node
    that bound them.
    """

    edges: list[Edge]
    columns: tuple[str, ...]
    shifts: Shifts
    branches: Branches = ()
    bounds: StoredBounds = field(default_factory=dict)


def stored_bounds(outputs: Iterable[tuple[str, Column]]) -> dict[str, int | list[str]]:
    """Return which columns of a node are not of its row, as in `Reading`."""
    listed = list(outputs)
    numbers: dict[Row, int] = {0: 0}
    moments = {name: moment_of(column) for name, column in listed}
    found: dict[str, int | list[str]] = {}
    for name, column in listed:
        every = {each.bounds for each in column.flows if each.how in VALUES}
        bounds: Bounds = next(iter(every)) if len(every) == 1 else frozenset()
        row = row_of(bounds)
        if row is not None:
            number = numbers.setdefault(row, len(numbers))
            if number:
                found[name] = number
        elif every:
            found[name] = [other for other, moment in moments.items() if speaks_of(moment, bounds)]
    return found


def bounds_of(id_: str, name: str, reading: Reading) -> Bounds:
    """Return what bounds a column of a relation."""
    kept = reading.bounds.get(name, 0)
    if isinstance(kept, int):
        return frozenset({kept})
    rows = {each: row for each in kept if isinstance(row := reading.bounds.get(each, 0), int)}
    return frozenset(Moment(row, ((id_, each),), EXACT) for each, row in rows.items())
