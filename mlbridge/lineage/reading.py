"""What was read of one node, as the nodes that read it need to know it, and as it is kept for the next trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from mlbridge.lineage.flows import Column, moment_of
from mlbridge.lineage.graph import VALUES, Branches, Edge
from mlbridge.lineage.moments import EXACT, Shift
from mlbridge.lineage.rows import Bounds, Moment, Row, row_of, speaks_of

StoredBounds: TypeAlias = "Mapping[str, Sequence[int | str]]"
Shifts: TypeAlias = Mapping[str, Shift]  # by column, those that are unknown left out

OWN_ROW = (0,)


@dataclass(frozen=True)
class Reading:
    """What was read of a node: its edges, columns, their shifts, and what they come from in each branch of a union.

    `bounds` are those of columns that are not of the node's row 0 alone: the number of the row that they are of, if
    they are of one, and the other columns of the node that bound them.
    """

    edges: list[Edge]
    columns: tuple[str, ...]
    shifts: Shifts
    branches: Branches = ()
    bounds: StoredBounds = field(default_factory=dict)


def stored_bounds(outputs: Iterable[tuple[str, Column]]) -> dict[str, list[int | str]]:
    """Return which columns of a node are not of its row, as in `Reading`."""
    listed = list(outputs)
    numbers: dict[Row, int] = {0: 0}
    moments = {name: moment_of(column) for name, column in listed}
    found: dict[str, list[int | str]] = {}
    for name, column in listed:
        every = {each.bounds for each in column.flows if each.how in VALUES}
        bounds: Bounds = frozenset.intersection(*every) if every else frozenset()
        row = row_of(bounds)
        kept: list[int | str] = [] if row is None else [numbers.setdefault(row, len(numbers))]
        kept += [
            other
            for other, moment in moments.items()
            if moment is not None and moment.row != row and speaks_of(moment, bounds)
        ]
        if every and kept != [0]:
            found[name] = kept
    return found


def bounds_of(id_: str, name: str, reading: Reading) -> Bounds:
    """Return what bounds a column of a relation."""
    kept = reading.bounds.get(name, OWN_ROW)
    rows = {each: _number(reading.bounds.get(each, OWN_ROW)) for each in kept if isinstance(each, str)}
    moments = {Moment(row, ((id_, each),), EXACT) for each, row in rows.items() if row is not None}
    return frozenset({each for each in kept if isinstance(each, int)} | moments)


def _number(kept: Sequence[int | str]) -> int | None:
    return next((each for each in kept if isinstance(each, int)), None)
