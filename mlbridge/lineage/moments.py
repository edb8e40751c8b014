"""How a value lies to the moment that it is made of: later or earlier by how much, on which grid, in what terms."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import NamedTuple, TypeAlias

from sqlglot import exp

from mlbridge.lineage.spans import DAY, Grid

UNSEEN = ("", "unseen")  # a column that a query does not have, so that nobody can compare it


class Rank(NamedTuple):
    """That a value is the number of its row by the columns of `order`, the earliest first unless it goes `backwards`.

    Rows are numbered together that are alike in the columns `within`; the numbers of others cannot be compared.
    """

    order: tuple[tuple[str, str], ...]
    within: tuple[tuple[str, str], ...]
    backwards: bool = False


class Shift(NamedTuple):
    """How a value lies to the moment that it is made of: `low` to `high` seconds later, without ends that differ.

    What nothing is said of may lie anywhere, so that no comparison with it tells anything: a column has a shift only
    where its expression was read to the end. All values are multiples of `grid` seconds, 0 where they can be any;
    weeks begin as `start` says. `is_date`: the moment is known as a date only, so that it may lie later by hours.
    `terms`: what the value is converted to, such as a time zone; values in different terms cannot be compared.
    `nullable`: it is NULL in some rows by the SQL itself. A comparison leaves those out; an order or a `max` does not.
    `rank`: it is the number of the row by that moment, which lies before another's where that does.
    """

    low: float = -inf
    high: float = inf
    grid: float = 0.0
    is_date: bool = False
    start: str = ""
    terms: str = ""
    nullable: bool = False
    rank: Rank | None = None


UNKNOWN = Shift()
EXACT = Shift(0.0, 0.0)
DATE = Shift(0.0, 0.0, DAY, True)

ShiftOf: TypeAlias = Callable[[exp.Column], Shift]


def only(shifts: Iterable[Shift]) -> Shift:
    """Return the shift that all have; unknown where they differ, since an order would mix them, or there is none."""
    found = set(shifts)
    return found.pop() if len(found) == 1 else UNKNOWN


def grid_of(shift: Shift) -> Grid:
    """Return the grid that the values of a shift are on."""
    return Grid(shift.grid, shift.start)


def common(one: Grid, other: Grid) -> Grid:
    """Return the grid that the sum of two values is on. Weeks that begin on different days are days in common."""
    low, high = sorted((one, other))
    if low.seconds == high.seconds and low.start != high.start:
        return Grid(DAY)
    if low.seconds and high.seconds % low.seconds:
        return Grid() if low.seconds % DAY or high.seconds % DAY else Grid(DAY)
    return low
