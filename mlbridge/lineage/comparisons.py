"""How far one moment lies before another: comparisons of columns that may be shifted by a span or cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from sqlglot import exp

from mlbridge.lineage.graph import ANY, BEFORE, GAP, UNTIL

# A moment as it is, cut off to the beginning of its day or month, or shifted by a span to earlier or later.
EXACT, CUT, EARLIER, LATER = "exact", "cut", "earlier", "later"
PLUS = (exp.Add, exp.DateAdd, exp.TimestampAdd, exp.DatetimeAdd, exp.TsOrDsAdd)
MINUS = (exp.Sub, exp.DateSub, exp.TimestampSub, exp.DatetimeSub)
CUTS = (exp.TimestampTrunc, exp.DateTrunc, exp.DatetimeTrunc, exp.TsOrDsToDate, exp.Date)


class Moment(NamedTuple):
    """A side of a comparison: the column in it, and how the moment compared lies to the column's."""

    column: exp.Column
    shift: str


class Before(NamedTuple):
    """The first column lies before the second, as far as `kind` of a condition says."""

    first: exp.Column
    second: exp.Column
    kind: str
    text: str


def comparisons(condition: exp.Expr, dialect: str, is_cut: Callable[[exp.Column], bool]) -> Iterator[Before]:
    """Yield what a condition says about pairs of columns, of each part of a conjunction.

    `is_cut` tells of a column whether it is cut off already, such as a date.
    """
    for part in conjuncts(condition):
        text = part.sql(dialect)
        for low, high, strict in _ordered(part):
            first, second = _moment(low), _moment(high)
            if first is not None and second is not None:
                kind = _kind(*_cut_before(first, second, is_cut), strict)
                if isinstance(part, exp.EQ) and kind not in (GAP, BEFORE):
                    continue  # rows of the same moment are no earlier ones
                yield Before(first.column, second.column, kind, text)


def conjuncts(condition: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the parts that must all hold."""
    inner = condition.unnest()
    if isinstance(inner, exp.And):
        for part in inner.flatten():
            yield from conjuncts(part)
    elif isinstance(inner, exp.Where):
        yield from conjuncts(inner.this)
    else:
        yield inner


def _ordered(part: exp.Expr) -> Iterator[tuple[exp.Expr, exp.Expr, bool]]:
    """Yield pairs of which the first is less than the second; with True: and not equal to it."""
    if isinstance(part, exp.LT | exp.LTE):
        yield part.this, part.expression, isinstance(part, exp.LT)
    elif isinstance(part, exp.GT | exp.GTE):
        yield part.expression, part.this, isinstance(part, exp.GT)
    elif isinstance(part, exp.Between):
        yield part.args["low"], part.this, False
        yield part.this, part.args["high"], False
    elif isinstance(part, exp.EQ):
        yield part.this, part.expression, False
        yield part.expression, part.this, False


def _cut_before(first: Moment, second: Moment, is_cut: Callable[[exp.Column], bool]) -> tuple[str, str]:
    """Return the shifts of two moments, cut off columns included; two columns of days are compared as they are."""
    cut = [is_cut(each.column) for each in (first, second)]
    if all(cut) and first.shift == second.shift == EXACT:
        return EXACT, EXACT
    of_first, of_second = (
        CUT if cut_before and each.shift == EXACT else each.shift
        for each, cut_before in zip((first, second), cut, strict=True)
    )
    return of_first, of_second


def _kind(first: str, second: str, strict: bool) -> str:
    """Say how far the first column lies before the second, given how each was shifted before they were compared."""
    if first == EARLIER or second == LATER:
        return ANY
    if first == CUT:
        # The beginning of a day says nothing about the hours of the same day.
        return BEFORE if second == EARLIER or (strict and second == CUT) else ANY
    if first == LATER or second == EARLIER:
        return GAP
    return BEFORE if strict or second == CUT else UNTIL


def is_cutting(node: exp.Expr) -> bool:
    """Return whether an expression cuts a moment off."""
    return isinstance(node, CUTS) or (isinstance(node, exp.Cast) and node.to.is_type("date"))


def _moment(node: exp.Expr) -> Moment | None:
    """Read one side of a comparison; None where it is more than a column, shifted by constants."""
    inner = node.unnest()
    if isinstance(inner, exp.Column):
        return Moment(inner, EXACT)
    if is_cutting(inner):
        return _cut(inner.this)
    if isinstance(inner, exp.Cast | exp.AtTimeZone):
        return _moment(inner.this)
    if isinstance(inner, PLUS + MINUS):
        return _shifted(inner)
    return None


def _cut(node: exp.Expr) -> Moment | None:
    found = _moment(node)
    return found and Moment(found.column, CUT if found.shift in (EXACT, CUT) else found.shift)


def _shifted(node: exp.Expr) -> Moment | None:
    found, sign = _moment(node.this), _sign(node.expression)
    if found is None or sign is None or found.shift not in (EXACT, CUT):
        return None
    if sign == 0:
        return found
    to = LATER if (sign > 0) == isinstance(node, PLUS) else EARLIER
    if found.shift == CUT:  # cut off is earlier already; a span to later may lead past the moment or not
        return Moment(found.column, EARLIER if to == EARLIER else LATER)
    return Moment(found.column, to)


def _sign(span: exp.Expr) -> int | None:
    """Return the sign of a constant span; None where it is not constant."""
    inner = span.unnest()
    if inner.find(exp.Column, exp.Query):
        return None
    if isinstance(inner, exp.Neg):
        sign = _sign(inner.this)
        return None if sign is None else -sign
    numbers = [each.name for each in inner.find_all(exp.Literal)]
    if inner.find(exp.Neg) or not numbers:
        return None
    if any(number.strip().startswith("-") for number in numbers):
        return -1 if len(numbers) == 1 else None
    return 0 if all(number.strip().split(" ")[0] in ("0", "0.0") for number in numbers) else 1
