"""Spans of time without columns, such as `interval '1 day'`, in seconds, and the sums of columns that they stand in."""

from __future__ import annotations

import re
from math import isfinite
from typing import NamedTuple

from sqlglot import exp

DAY = 86_400.0
# The shortest and the longest that a unit takes, in seconds.
UNITS = {
    "MICROSECOND": (1e-6, 1e-6), "MILLISECOND": (1e-3, 1e-3), "SECOND": (1.0, 1.0), "MINUTE": (60.0, 60.0),
    "HOUR": (3600.0, 3600.0), "DAY": (DAY, DAY), "WEEK": (7 * DAY, 7 * DAY), "MONTH": (28 * DAY, 31 * DAY),
    "QUARTER": (89 * DAY, 92 * DAY), "YEAR": (365 * DAY, 366 * DAY),
}  # fmt: skip
MONTHS = 8 * DAY  # units that are longer are made of months
SHORTEST, LONGEST = 1e-6, 1e12  # what a span of unknown length takes at least and at most
# What a number beside a column stands for whose type is not known: dates count days, others seconds or parts of them.
ANY_UNIT = (SHORTEST, DAY)
# A span in several units or by the clock, such as `1 day 02:00:00`, of which no part is negative.
AHEAD = re.compile(r"[\d.:]*\d[\d.:]*(\s+([a-z]+|[\d.:]*\d[\d.:]*))*", re.IGNORECASE)


class Grid(NamedTuple):
    """What all values are multiples of, in seconds, 0 where they can be any; of weeks, also which day begins them."""

    seconds: float = 0.0
    start: str = ""


class Sum(NamedTuple):
    """A value as `plus - minus` and between `low` and `high` seconds more; a constant has neither column.

    `grid` is as in `Shift`. `unit` is the least and the most that a number beside it stands for, None of a number
    itself. `dates` says of which of the columns only the date is known, first of `plus`, then of `minus`, and `terms`
    in what terms each is given.
    """

    plus: exp.Column | None
    minus: exp.Column | None
    low: float
    high: float
    grid: Grid = Grid()
    unit: tuple[float, float] | None = None
    dates: tuple[bool, bool] = (False, False)
    terms: tuple[str, str] = ("", "")

    @property
    def is_constant(self) -> bool:
        """Return whether it has no column."""
        return self.plus is None and self.minus is None


ZERO = Sum(None, None, 0.0, 0.0)


def negative(found: Sum) -> Sum:
    """Return a value with the other sign."""
    return found._replace(
        plus=found.minus, minus=found.plus, low=-found.high, high=-found.low, dates=found.dates[::-1],
        terms=found.terms[::-1],
    )  # fmt: skip


def whole_months(seconds: float, grid: Grid) -> float:
    """Return seconds between values on a grid of months as whole ones of it, the longest: months differ by days."""
    if not MONTHS < grid.seconds < LONGEST or not isfinite(seconds):
        return seconds
    return round(seconds / grid.seconds) * grid.seconds


def constant(node: exp.Expr, unit: exp.Expr | None = None) -> Sum | None:
    """Read a span without columns; a number without a unit has none. None where its sign is not known."""
    inner = node.unnest()
    if isinstance(inner, exp.Neg):
        found = constant(inner.this, unit)
        return found and negative(found)
    if isinstance(inner, exp.Anonymous):
        return _called(inner)
    if isinstance(inner, exp.Cast | exp.Interval | exp.ToDays):
        return _span(inner, unit)
    if isinstance(inner, exp.Mul) and _number(inner) is None:
        return _product(inner, unit)
    number = _number(inner)
    return _by_sign(inner) if number is None else _of_number(number, unit)


def _span(node: exp.Cast | exp.Interval | exp.ToDays, unit: exp.Expr | None) -> Sum | None:
    if isinstance(node, exp.ToDays):
        return constant(node.this, exp.var("DAY"))
    if isinstance(node, exp.Interval):
        own = node.args.get("unit")
        return _by_sign(node.this) if own is None else constant(node.this, own)
    if node.to.is_type("interval"):
        return constant(exp.to_interval(node.this) if node.this.is_string else node.this, unit)
    number = _number(node)
    return None if number is None else _of_number(number, unit)


def _called(node: exp.Anonymous) -> Sum | None:
    """Read a function that gives a span of one unit, such as `to_hours(2)`."""
    name = node.name.upper().removeprefix("TO_")
    is_span = name != node.name.upper() and name.removesuffix("S") in UNITS and len(node.expressions) == 1
    return constant(node.expressions[0], exp.var(name)) if is_span else None


def _product(node: exp.Mul, unit: exp.Expr | None) -> Sum | None:
    """Read a span times a number, on either side."""
    for span, other in ((node.this, node.expression), (node.expression, node.this)):
        times = _number(other)
        found = None if times is None else constant(span, unit)
        if times is not None and found is not None:
            low, high = sorted((found.low * times, found.high * times))
            return found._replace(low=low, high=high, grid=found.grid if times == int(times) else Grid())
    return None


def _of_number(number: float, unit: exp.Expr | None) -> Sum:
    """Return so many of a unit; where it is not known how long that is, its sign counts."""
    if number == 0:
        return ZERO
    if unit is None:
        return Sum(None, None, number, number)
    seconds = named(unit) or (SHORTEST / abs(number), LONGEST)
    low, high = sorted(number * each for each in seconds)
    is_whole = number == int(number) and named(unit) is not None
    grid = seconds[1] if seconds[0] > MONTHS else min(seconds[0], DAY)
    return Sum(None, None, low, high, Grid(grid) if is_whole else Grid(), UNITS["DAY"])


def _number(node: exp.Expr) -> float | None:
    """Return the value of a number, of a whole one that is cast, or of a product of numbers."""
    inner = node.unnest()
    if isinstance(inner, exp.Cast):
        number = _number(inner.this) if inner.to.is_type(*exp.DataType.NUMERIC_TYPES) else None
        return number if number is not None and number == int(number) else None
    if isinstance(inner, exp.Neg):
        found = _number(inner.this)
        return None if found is None else -found
    if isinstance(inner, exp.Mul):
        first, second = _number(inner.this), _number(inner.expression)
        return None if first is None or second is None else first * second
    if isinstance(inner, exp.Literal):
        try:
            value = float(inner.name)
        except ValueError:
            return None
        return value if isfinite(value) else None
    return None


def _by_sign(node: exp.Expr) -> Sum | None:
    """Return a span that is written as one text and in no single unit: only that it is not negative can be told."""
    text = node.name.strip()
    if not isinstance(node, exp.Literal) or not AHEAD.fullmatch(text) or text.lower().endswith("ago"):
        return None
    if not re.search("[1-9]", text):
        return ZERO
    return Sum(None, None, SHORTEST, LONGEST, unit=UNITS["SECOND"])


def named(unit: exp.Expr) -> tuple[float, float] | None:
    """Return the shortest and the longest that a unit takes, in seconds; None for one that is not known."""
    name = unit.name.upper()
    return UNITS.get(name) or UNITS.get(name.removesuffix("S"))
