"""Spans of time without columns, such as `interval '1 day'`, in seconds."""

from __future__ import annotations

from typing import NamedTuple

from sqlglot import exp

DAY = 86_400.0
# The shortest and the longest that a unit takes, in seconds.
UNITS = {
    "MICROSECOND": (1e-6, 1e-6), "MILLISECOND": (1e-3, 1e-3), "SECOND": (1.0, 1.0), "MINUTE": (60.0, 60.0),
    "HOUR": (3600.0, 3600.0), "DAY": (DAY, DAY), "WEEK": (7 * DAY, 7 * DAY), "MONTH": (28 * DAY, 31 * DAY),
    "QUARTER": (90 * DAY, 92 * DAY), "YEAR": (365 * DAY, 366 * DAY),
}  # fmt: skip
SHORTEST, LONGEST = 1e-6, 1e12  # what a span of unknown length takes at least and at most


class Sum(NamedTuple):
    """A value as `plus - minus` and between `low` and `high` seconds more; a constant has neither column.

    `grid` is as in `Shift`, and `unit` the seconds that a number beside it stands for. `dates` says of how many of the
    columns only the date is known, first of `plus`, then of `minus`.
    """

    plus: exp.Column | None
    minus: exp.Column | None
    low: float
    high: float
    grid: float = 0.0
    unit: float = 1.0
    dates: tuple[bool, bool] = (False, False)

    @property
    def is_constant(self) -> bool:
        """Return whether it has no column."""
        return self.plus is None and self.minus is None


ZERO = Sum(None, None, 0.0, 0.0)


def negative(found: Sum) -> Sum:
    """Return a value with the other sign."""
    return found._replace(
        plus=found.minus, minus=found.plus, low=-found.high, high=-found.low, dates=(found.dates[1], found.dates[0])
    )


def constant(node: exp.Expr, unit: exp.Expr | None = None) -> Sum | None:
    """Read a span without columns; a number without a unit has the unit 0. None where its sign is not known."""
    inner = node.unnest()
    if isinstance(inner, exp.Neg):
        found = constant(inner.this, unit)
        return found and negative(found)
    if isinstance(inner, exp.Cast | exp.Interval | exp.ToDays):
        return _span(inner, unit)
    number = _number(inner)
    if number is not None:
        return _of_number(number, unit) or _by_sign(inner)
    return _product(inner, unit) if isinstance(inner, exp.Mul) else _by_sign(inner)


def _span(node: exp.Cast | exp.Interval | exp.ToDays, unit: exp.Expr | None) -> Sum | None:
    if isinstance(node, exp.ToDays):
        return constant(node.this, exp.var("DAY"))
    if isinstance(node, exp.Interval):
        own = node.args.get("unit")
        return _by_sign(node) if own is None else constant(node.this, own)
    is_text = node.to.is_type("interval") and node.this.is_string
    return constant(exp.to_interval(node.this) if is_text else node.this, unit)


def _product(node: exp.Mul, unit: exp.Expr | None) -> Sum | None:
    """Read a span times a number, on either side."""
    for span, other in ((node.this, node.expression), (node.expression, node.this)):
        times = _number(other)
        found = None if times is None else constant(span, unit)
        if times is not None and found is not None:
            low, high = sorted((found.low * times, found.high * times))
            return found._replace(low=low, high=high, grid=found.grid if times == int(times) else 0.0)
    return _by_sign(node)


def _of_number(number: float, unit: exp.Expr | None) -> Sum | None:
    """Return so many of a unit; None where it is not known how long that is."""
    if number == 0:
        return ZERO
    if unit is None:
        return Sum(None, None, number, number, 0.0, 0.0)
    seconds = named(unit)
    if seconds is None:
        return None
    low, high = sorted(number * each for each in seconds)
    return Sum(None, None, low, high, min(seconds[0], DAY) if number == int(number) else 0.0, DAY)


def _number(node: exp.Expr) -> float | None:
    """Return the value of a number, or of a product of numbers."""
    inner = node.unnest()
    if isinstance(inner, exp.Neg):
        found = _number(inner.this)
        return None if found is None else -found
    if isinstance(inner, exp.Mul):
        first, second = _number(inner.this), _number(inner.expression)
        return None if first is None or second is None else first * second
    if isinstance(inner, exp.Literal):
        try:
            return float(inner.name)
        except ValueError:
            return None
    return None


def _by_sign(node: exp.Expr) -> Sum | None:
    """Return a span of which only the sign can be told, from the numbers in it."""
    numbers = [each.name.strip() for each in node.find_all(exp.Literal)]
    if node.find(exp.Neg) or not numbers:
        return None
    if all(number.split(" ")[0] in ("0", "0.0", "00:00:00") for number in numbers):
        return ZERO
    if not any(number.startswith("-") for number in numbers):
        return Sum(None, None, SHORTEST, LONGEST, 0.0, 1.0)
    return Sum(None, None, -LONGEST, -SHORTEST, 0.0, 1.0) if len(numbers) == 1 else None


def named(unit: exp.Expr) -> tuple[float, float] | None:
    """Return the shortest and the longest that a unit takes, in seconds; None for one that is not known."""
    name = unit.name.upper()
    return UNITS.get(name) or UNITS.get(name.removesuffix("S"))
