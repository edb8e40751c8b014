"""Expressions over moments as sums: one column less another, and by how many seconds that was shifted or cut off.

What an expression may be made of stands in one table, with the arguments that are read of it. Anything else, and any
other argument, makes the whole unreadable, and what is unreadable never says that a moment is earlier than another:
a function that is not known here may be any function.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple

from sqlglot import exp

from mlbridge.lineage.moments import UNKNOWN, Shift, ShiftOf, common, grid_of
from mlbridge.lineage.spans import (
    ANY_UNIT,
    DAY,
    LONGEST,
    SHORTEST,
    UNITS,
    Grid,
    Sum,
    constant,
    named,
    negative,
    whole_months,
)

# Types in which a moment stays what it is, if they are precise to that many digits of a second at least.
MOMENTS = (
    exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ, exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ, exp.DType.DATETIME,
    exp.DType.DATETIME2, exp.DType.DATETIME64,
)  # fmt: skip
LEAST_PRECISION = 3
# What gives a moment as a number of seconds, or of parts of them, or takes it from one.
NUMBERS = (exp.TimeToUnix, exp.UnixToTime, exp.UnixMillis, exp.UnixMicros, exp.UnixSeconds)
# Parts of a format by which a text says the day, and the time of day.
OF_DAY, OF_TIME = ({"Y", "m", "d"}, {"F"}), ({"H", "M"}, {"T"})


def shift(node: exp.Expr, shift_of: ShiftOf) -> Shift:
    """Return how the value of an expression lies to that of its column; unknown where it is not read to the end."""
    found = read(node, shift_of) if is_readable(node) else None
    if found is None or found.plus is None or found.minus is not None:
        return UNKNOWN
    of = shift_of(found.plus)
    ends = Shift(found.low, found.high, found.grid.seconds, found.dates[0], found.grid.start, found.terms[0])
    return ends._replace(nullable=of.nullable, rank=of.rank)


def is_readable(node: exp.Expr) -> bool:
    """Return whether an expression is of a kind that can be read."""
    return type(node) in READERS


def read(node: exp.Expr, shift_of: ShiftOf) -> Sum | None:
    """Read an expression; None where it is none over at most two columns. `shift_of` gives the shift of a column."""
    inner = node.unnest()
    if isinstance(inner, exp.Column):
        return _column(inner, shift_of(inner))
    if _is_constant(inner):
        return constant(inner)
    reader = READERS.get(type(inner))
    if reader is None or any(value and name not in reader.arguments for name, value in inner.args.items()):
        return None
    return reader.read(inner, shift_of)


def _column(node: exp.Column, shift: Shift) -> Sum:
    unit = UNITS["DAY"] if shift.grid >= DAY else ANY_UNIT
    return Sum(node, None, shift.low, shift.high, grid_of(shift), unit, (shift.is_date, False), (shift.terms, ""))


def _sum(node: exp.Expr, shift_of: ShiftOf) -> Sum | None:
    """Read an addition or a subtraction; one of more than two columns is not followed, however long it is."""
    adds = isinstance(node, PLUS)
    sides = [each.unnest() for each in (node.this, node.expression)]
    if not any(map(_is_constant, sides)) and (adds or any(map(_has_two_columns, sides))):
        return None
    first, other = sides
    unit = node.args.get("unit")
    more = constant(other, unit) if _is_constant(other) else read(other, shift_of)
    found = read(first, shift_of)
    if isinstance(node, exp.TsOrDsAdd) and named(unit or exp.var("DAY")) == UNITS["DAY"]:
        # Some engines make a date of a moment before they add days to it.
        found = found and found._replace(low=found.low - DAY, grid=Grid())
    return (total if adds else difference)(found, more)


def _has_two_columns(node: exp.Expr) -> bool:
    return isinstance(node, PLUS + MINUS) and not (_is_constant(node.this) or _is_constant(node.expression))


def _is_constant(node: exp.Expr) -> bool:
    return node.find(exp.Column, exp.Query) is None


def total(one: Sum | None, other: Sum | None) -> Sum | None:
    """Return a sum of two; None where a column would be in it twice."""
    if one is None or other is None or (one.plus and other.plus) or (one.minus and other.minus):
        return None
    if _is_zero(one) or _is_zero(other):
        return other if _is_zero(one) else one
    units = [each.unit for each in (one, other) if each.unit is not None and not each.is_constant]
    unit = (min(low for low, _ in units), max(high for _, high in units)) if units else one.unit or other.unit
    one, other = (_scaled(each, unit) for each in (one, other))
    dates = (one.dates[0] or other.dates[0], one.dates[1] or other.dates[1])
    terms = (one.terms[0] or other.terms[0], one.terms[1] or other.terms[1])
    grid = common(one.grid, other.grid)
    low, high = one.low + other.low, one.high + other.high
    if not whole_months(low, grid):  # the beginning of the next month lies after each moment of this one
        low = max(low, 0.0)
    return Sum(one.plus or other.plus, one.minus or other.minus, low, high, grid, unit, dates, terms)


def _is_zero(found: Sum) -> bool:
    return found.is_constant and not found.low and not found.high


def difference(one: Sum | None, other: Sum | None) -> Sum | None:
    """Return the first less the second; None where a column would be in it twice."""
    return None if other is None else total(one, negative(other))


def _scaled(found: Sum, unit: tuple[float, float] | None) -> Sum:
    """Return a number as the seconds that it stands for beside a value of some unit."""
    if not found.is_constant or found.unit is not None or unit is None:
        return found
    low, *_, high = sorted(number * each for number in (found.low, found.high) for each in unit)
    is_whole = unit[0] == unit[1] and found.low == int(found.low)
    return found._replace(low=low, high=high, grid=Grid(unit[0]) if is_whole else Grid(), unit=unit)


def _cut(node: exp.Expr, shift_of: ShiftOf) -> Sum | None:
    """Read what is cut off to the beginning of a unit; a date is the beginning of its day already."""
    found = read(node.this, shift_of)
    (_, longest), start = _unit(node)
    grid = Grid(longest, start)
    if found is None or common(found.grid, grid) == grid:
        return found
    unit = UNITS["DAY"] if longest >= DAY else found.unit
    return found._replace(low=found.low - longest, grid=grid if longest < LONGEST else Grid(), unit=unit)


def _unit(node: exp.Expr) -> tuple[tuple[float, float], str]:
    """Return the unit that an expression names, in seconds: without one the day, and if it is not known any.

    Of weeks also how they are called, since that says which day begins them.
    """
    unit = node.args.get("unit")
    if unit is None:
        return UNITS["DAY"], ""
    if isinstance(unit, exp.WeekStart):
        return UNITS["WEEK"], unit.name.upper()
    seconds = named(unit) or (UNITS["WEEK"] if unit.name.upper() == "ISOWEEK" else (SHORTEST, LONGEST))
    return seconds, unit.name.upper().removesuffix("S") if seconds == UNITS["WEEK"] else ""


def _cast(node: exp.Expr, shift_of: ShiftOf) -> Sum | None:
    """Read a cast to a date, which cuts, or to a moment; texts, numbers and times of any day are something else."""
    to = node.args["to"]
    if to.is_type("date"):
        return _cut(node, shift_of)
    precision = [each.name for each in to.expressions]
    is_precise = all(each.isdigit() and int(each) >= LEAST_PRECISION for each in precision)
    return read(node.this, shift_of) if to.is_type(*MOMENTS) and is_precise else None


def _same(node: exp.Expr, shift_of: ShiftOf) -> Sum | None:
    return read(node.this, shift_of)


def _converted(node: exp.Expr, shift_of: ShiftOf) -> Sum | None:
    """Read what is given in the clock of a time zone, or as a number: the same moment in other terms.

    Where clocks are put back, an hour comes twice; that is not told apart.
    """
    parts = [value for name, value in node.args.items() if name not in ("this", "timestamp") and value]
    if not all(isinstance(each, exp.Literal) for each in parts):
        return None
    found = read(node.args.get("timestamp") or node.this, shift_of)
    if found is None or found.plus is None:
        return None
    if found.minus is not None:  # how long it is between two moments: seconds
        return found._replace(grid=Grid(), unit=UNITS["SECOND"]) if isinstance(node, exp.TimeToUnix) else None
    terms = " ".join((found.terms[0], node.key, *(each.name for each in parts))).strip()
    unit = UNITS["SECOND"] if isinstance(node, exp.TimeToUnix) else ANY_UNIT
    grid = Grid() if isinstance(node, NUMBERS) else found.grid
    return found._replace(terms=(terms, ""), unit=unit, grid=grid)


def _counted_since(node: exp.Expr, shift_of: ShiftOf) -> Sum | None:
    """Read the whole seconds, or the days, since 1970: they cut what is left of one."""
    found = _converted(node, shift_of)
    seconds = DAY if isinstance(node, exp.UnixDate) else 1.0
    if found is None or (seconds == DAY and common(found.grid, Grid(DAY)) == Grid(DAY)):
        return found and found._replace(unit=UNITS["DAY"])
    return found._replace(low=found.low - seconds, grid=Grid(seconds), unit=(seconds, seconds))


def _parsed(node: exp.Expr, shift_of: ShiftOf) -> Sum | None:
    """Read a text as the moment that it says, or as its day where the format has no more."""
    form = node.args.get("format")
    found = read(node.this, shift_of)
    if not isinstance(form, exp.Literal) or found is None:
        return None
    letters = {part[0] for part in form.name.replace("%-", "%").split("%")[1:] if part}
    if not any(each <= letters for each in OF_DAY):
        return None
    if any(each <= letters for each in OF_TIME) and not isinstance(node, exp.StrToDate):
        return found
    return found._replace(low=found.low - DAY, grid=Grid(DAY), unit=UNITS["DAY"])


def _difference(node: exp.Expr, shift_of: ShiftOf) -> Sum | None:
    found = difference(read(node.this, shift_of), read(node.expression, shift_of))
    return found and _counted(found, *_unit(node))


def _counted(found: Sum, unit: tuple[float, float], start: str = "") -> Sum:
    """Return how many times a unit begins, or is complete, between two moments; engines differ in that."""
    _, longest = unit
    grid = Grid(longest, start)
    slack = 0.0 if common(found.grid, grid) == grid else longest
    return found._replace(low=found.low - slack, high=found.high + slack, grid=grid, unit=unit)


def _extracted(node: exp.Expr, shift_of: ShiftOf) -> Sum | None:
    """Read the seconds since 1970, or the days of a difference; other parts say nothing about the order of moments."""
    part, found = node.this.name.upper(), read(node.expression, shift_of)
    if part == "EPOCH":
        return _converted(exp.TimeToUnix(this=node.expression), shift_of)
    is_difference = found is not None and found.plus is not None and found.minus is not None
    return _counted(found, UNITS["DAY"]) if found and is_difference and part in ("DAY", "DAYS") else None


def _extreme(node: exp.Expr, shift_of: ShiftOf) -> Sum | None:
    """Read the latest or the earliest of several rows' moments: no earlier, or no later, than each of them.

    It says nothing about rows without a moment, which it ignores.
    """
    found = read(node.this, shift_of)
    if found is None or found.plus is None or found.minus is not None or shift_of(found.plus).nullable:
        return None
    return found._replace(high=inf) if isinstance(node, exp.Max) else found._replace(low=-inf)


class Reader(NamedTuple):
    """How a kind of expression is read, and by which of its arguments; it is not read if it has others."""

    read: Callable[[exp.Expr, ShiftOf], Sum | None]
    arguments: frozenset[str]


def _by(read: Callable[[Any, ShiftOf], Sum | None], arguments: str, *kinds: type[exp.Expr]) -> dict[type, Reader]:
    return dict.fromkeys(kinds, Reader(read, frozenset(arguments.split())))


PLUS = (exp.Add, exp.DateAdd, exp.TimestampAdd, exp.DatetimeAdd, exp.TsOrDsAdd)
MINUS = (exp.Sub, exp.DateSub, exp.TimestampSub, exp.DatetimeSub)
READERS: dict[type, Reader] = {
    **_by(_sum, "this expression unit return_type", *PLUS, *MINUS),
    **_by(
        _difference, "this expression unit big_int date_part_boundary",
        exp.DateDiff, exp.TimestampDiff, exp.DatetimeDiff, exp.TsOrDsDiff,
    ),
    **_by(
        _cut, "this unit input_type_preserved safe",
        exp.TimestampTrunc, exp.DateTrunc, exp.DatetimeTrunc, exp.TsOrDsToDate, exp.Date,
    ),
    **_by(_cast, "this to safe requires_string", exp.Cast, exp.TryCast),
    **_by(
        _same, "this with_tz",
        exp.TimeStrToTime, exp.Timestamp, exp.TsOrDsToTimestamp, exp.TsOrDsToDatetime, exp.Datetime,
    ),
    **_by(_converted, "this zone", exp.AtTimeZone),
    **_by(_converted, "timestamp source_tz target_tz", exp.ConvertTimezone),
    **_by(_converted, "this scale", exp.TimeToUnix, exp.UnixToTime, exp.UnixMillis, exp.UnixMicros),
    **_by(_counted_since, "this", exp.UnixSeconds, exp.UnixDate),
    **_by(_parsed, "this format safe default_year", exp.StrToTime, exp.StrToDate, exp.ParseTime),
    **_by(_extracted, "this expression", exp.Extract),
    **_by(_extreme, "this", exp.Max, exp.Min),
}  # fmt: skip
