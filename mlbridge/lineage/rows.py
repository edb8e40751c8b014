"""Which rows a value is of, and so which moments say something about it.

That the moment of a row lies before another one lets in what the row holds of itself. It says nothing about what was
computed over other rows and stands beside it, such as a sum over all rows, or about the other row of a self join. So
each flow says of which row it is, or of which rows a moment bounds: the last row of a window that looks back does, if
it is what the window is ordered by, and so does a moment of another row that is joined to them where it is equal or
later. Rows of different relations that are joined count as one.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from mlbridge.lineage.moments import EXACT, UNKNOWN, Shift

# The row of a relation is 0 unless the relation's own SQL tells several; of a self join the source's number goes ahead.
Row: TypeAlias = "int | tuple[int, Row]"
Place: TypeAlias = tuple[str, str]
Places: TypeAlias = tuple[Place, ...]


class Moment(NamedTuple):
    """A moment of a row: what it is made of, and how it lies to that."""

    row: Row
    places: Places
    shift: Shift


# What bounds a value: any moment of a row, or single moments; nothing does where it is empty.
Bounds: TypeAlias = "frozenset[Row | Moment]"
OWN: Bounds = frozenset({0})
NOTHING_BOUNDS: Bounds = frozenset()


def row_of(bounds: Bounds) -> Row | None:
    """Return the row that a value is of, whatever else bounds that; None where it is of several."""
    rows = [each for each in bounds if not isinstance(each, Moment)]
    return rows[0] if len(rows) == 1 else None


def moment(every: set[Bounds], places: Places, shift: Shift) -> Moment | None:
    """Return the moment that a column with these flows is; None where that was not read, or is of several rows.

    The number of a row stands for the moment that it is ordered by, which bounds the rows that are counted.
    """
    bounds = next(iter(every)) if len(every) == 1 else NOTHING_BOUNDS
    if shift.rank is not None:
        rows = {each.row for each in bounds if isinstance(each, Moment)}
        return Moment(rows.pop(), shift.rank.order, EXACT) if len(rows) == 1 else None
    row = row_of(bounds)
    return None if row is None or shift == UNKNOWN else Moment(row, places, shift)


def speaks_of(said: Moment | None, bounds: Bounds) -> bool:
    """Return whether what is said about a moment holds for all rows that a value is of.

    A moment that is cut or moved on is the same one: what is said of it counts that already.
    """
    return said is not None and (said.row in bounds or said in bounds or said._replace(shift=EXACT) in bounds)


def marked(bounds: Bounds, mark: int) -> Bounds:
    """Return bounds as those of one source of a self join."""
    return frozenset(
        each._replace(row=(mark, each.row)) if isinstance(each, Moment) else (mark, each) for each in bounds
    )


def is_of_source(bounds: Bounds, mark: int) -> bool:
    """Return whether a value is of a row of one source of a self join."""
    row = row_of(bounds)
    return isinstance(row, tuple) and row[0] == mark


def unmarked(said: Moment | None, mark: int | None) -> Moment | None:
    """Return a moment as the source itself knows it."""
    if said is None or mark is None or not isinstance(said.row, tuple):
        return said
    return said._replace(row=said.row[1])
