"""Expressions over moments as sums: one column less another, and by how many seconds that was shifted or cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from typing import NamedTuple, TypeAlias

from sqlglot import exp

from mlbridge.lineage.spans import DAY, LONGEST, SHORTEST, UNITS, Sum, constant, named, negative

PLUS = (exp.Add, exp.DateAdd, exp.TimestampAdd, exp.DatetimeAdd, exp.TsOrDsAdd)
MINUS = (exp.Sub, exp.DateSub, exp.TimestampSub, exp.DatetimeSub)
DIFFERENCES = (exp.DateDiff, exp.TimestampDiff, exp.DatetimeDiff, exp.TsOrDsDiff)
CUTS = (exp.TimestampTrunc, exp.DateTrunc, exp.DatetimeTrunc, exp.TsOrDsToDate, exp.Date)
AS_IT_IS = (exp.Cast, exp.AtTimeZone, exp.TimeStrToTime, exp.TimeToUnix)
READABLE = (*PLUS, *MINUS, *CUTS, *AS_IT_IS)


class Shift(NamedTuple):
    """How a value lies to the moment that it is made of: `low` to `high` seconds later, without ends that differ.

    All values are multiples of `grid` seconds, 0 where they can be any. `is_date`: the moment is known as a date only,
    so that it may lie later by hours.
    """

    low: float = 0.0
    high: float = 0.0
    grid: float = 0.0
    is_date: bool = False


EXACT = Shift()
DATE = Shift(grid=DAY, is_date=True)


ShiftOf: TypeAlias = Callable[[exp.Column], Shift]


def read(node: exp.Expr, shift_of: ShiftOf) -> Sum | None:
    """Read an expression; None where it is none over at most two columns. `shift_of` gives the shift of a column."""
    inner = node.unnest()
    if isinstance(inner, exp.Column):
        shift = shift_of(inner)
        unit = DAY if shift.grid >= DAY else 1.0
        return Sum(inner, None, shift.low, shift.high, shift.grid, unit, (shift.is_date, False))
    if inner.find(exp.Column, exp.Query) is None:
        return constant(inner)
    if is_cutting(inner):
        return _cut(read(inner.this, shift_of), _unit(inner))
    if isinstance(inner, AS_IT_IS):
        is_of_any_day = isinstance(inner, exp.Cast) and inner.to.is_type("time", "timetz")
        return None if is_of_any_day else read(inner.this, shift_of)
    if isinstance(inner, exp.Extract):
        return _extracted(inner, shift_of)
    if isinstance(inner, DIFFERENCES):
        found = difference(read(inner.this, shift_of), read(inner.expression, shift_of))
        return found and _counted(found, _unit(inner))
    return _sum(inner, shift_of) if isinstance(inner, PLUS + MINUS) else None


def _sum(node: exp.Expr, shift_of: ShiftOf) -> Sum | None:
    """Read an addition or a subtraction; one of more than two columns is not followed, however long it is."""
    sides = [each.unnest() for each in (node.this, node.expression)]
    if not any(map(_is_constant, sides)) and (isinstance(node, PLUS) or any(map(_has_two_columns, sides))):
        return None
    first, other = sides
    more = constant(other, node.args.get("unit")) if _is_constant(other) else read(other, shift_of)
    return (total if isinstance(node, PLUS) else difference)(read(first, shift_of), more)


def _has_two_columns(node: exp.Expr) -> bool:
    return isinstance(node, PLUS + MINUS) and not (_is_constant(node.this) or _is_constant(node.expression))


def shift(node: exp.Expr, shift_of: ShiftOf) -> Shift:
    """Return how the value of an expression lies to that of its column; what cannot be told counts as it is."""
    found = read(node, shift_of) if isinstance(node, READABLE) else None
    if found is None or found.plus is None or found.minus is not None:
        return EXACT
    return Shift(found.low, found.high, found.grid, found.dates[0])


def hull(shifts: Iterable[Shift]) -> Shift:
    """Return the shift of a value that is of any of several; exact where there is none."""
    found = set(shifts)
    if len(found) < 2:
        return found.pop() if found else EXACT
    low, high = min(each.low for each in found), max(each.high for each in found)
    return Shift(low, high, reduce(common, (each.grid for each in found)), any(each.is_date for each in found))


def is_cutting(node: exp.Expr) -> bool:
    """Return whether an expression cuts a moment off."""
    return isinstance(node, CUTS) or (isinstance(node, exp.Cast) and node.to.is_type("date"))


def total(one: Sum | None, other: Sum | None) -> Sum | None:
    """Return a sum of two; None where a column would be in it twice."""
    if one is None or other is None or (one.plus and other.plus) or (one.minus and other.minus):
        return None
    if _is_zero(one) or _is_zero(other):
        return other if _is_zero(one) else one
    unit = one.unit if other.is_constant else other.unit
    one, other = (_scaled(each, unit) for each in (one, other))
    dates = (one.dates[0] or other.dates[0], one.dates[1] or other.dates[1])
    low, high, grid = one.low + other.low, one.high + other.high, common(one.grid, other.grid)
    return Sum(one.plus or other.plus, one.minus or other.minus, low, high, grid, unit, dates)


def _is_zero(found: Sum) -> bool:
    return found.is_constant and not found.low and not found.high


def difference(one: Sum | None, other: Sum | None) -> Sum | None:
    """Return the first less the second; None where a column would be in it twice."""
    return None if other is None else total(one, negative(other))


def _scaled(found: Sum, unit: float) -> Sum:
    """Return a number as the seconds that it stands for beside a value of some unit."""
    if not found.is_constant or found.unit:
        return found
    is_whole = found.low == int(found.low)
    return found._replace(low=found.low * unit, high=found.high * unit, grid=unit if is_whole else 0.0, unit=unit)


def common(one: float, other: float) -> float:
    """Return the grid that the sum of two values is on."""
    low, high = sorted((one, other))
    return low if low and not high % low else 0.0


def _cut(found: Sum | None, unit: tuple[float, float]) -> Sum | None:
    """Return a value cut off to the beginning of a unit; a date is the beginning of its day already."""
    _, longest = unit
    if found is None or _is_on(found, longest):
        return found
    grid = longest if longest < LONGEST else 0.0
    return found._replace(low=found.low - longest, grid=grid, unit=DAY if longest >= DAY else found.unit)


def _is_on(found: Sum, grid: float) -> bool:
    """Return whether all values are multiples of a number of seconds."""
    return bool(found.grid) and not found.grid % grid


def _counted(found: Sum, unit: tuple[float, float]) -> Sum:
    """Return how many times a unit begins, or is complete, between two moments; engines differ in that."""
    _, longest = unit
    slack = 0.0 if _is_on(found, longest) else longest
    return found._replace(low=found.low - slack, high=found.high + slack, grid=longest, unit=longest)


def _extracted(node: exp.Extract, shift_of: ShiftOf) -> Sum | None:
    """Read the seconds since 1970, or the days of a difference; other parts say nothing about the order of moments."""
    part, found = node.this.name.upper(), read(node.expression, shift_of)
    if part == "EPOCH":
        return found and found._replace(grid=0.0, unit=1.0)
    is_difference = found is not None and found.plus is not None and found.minus is not None
    return _counted(found, UNITS["DAY"]) if found and is_difference and part in ("DAY", "DAYS") else None


def _unit(node: exp.Expr) -> tuple[float, float]:
    """Return the unit that an expression names, in seconds: without one the day, and if it is not known any."""
    unit = node.args.get("unit")
    if unit is None:
        return UNITS["DAY"]
    if isinstance(unit, exp.WeekStart):
        return UNITS["WEEK"]
    return named(unit) or (SHORTEST, LONGEST)


def _is_constant(node: exp.Expr) -> bool:
    return node.find(exp.Column, exp.Query) is None
