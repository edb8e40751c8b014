"""How far one moment lies before another: comparisons of columns, or of their difference with a span."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlglot import exp

from mlbridge.lineage.graph import ANY, BEFORE, GAP, UNTIL
from mlbridge.lineage.moments import ShiftOf
from mlbridge.lineage.rows import Place
from mlbridge.lineage.spans import DAY, Sum, whole_months
from mlbridge.lineage.sums import difference, read


class Before(NamedTuple):
    """The first column lies before the second, as far as `kind` and `plain` of a condition say.

    Numbers of rows say so of rows that are alike in the columns `within`.
    """

    first: exp.Column
    second: exp.Column
    kind: str
    plain: str
    text: str
    is_of_ranks: bool = False
    within: tuple[tuple[Place, Place], ...] = ()


def comparisons(condition: exp.Expr, dialect: str, shift_of: ShiftOf, plain_of: ShiftOf) -> Iterator[Before]:
    """Yield what a condition says about pairs of columns, of each part of a conjunction.

    `shift_of` gives how a column lies to the moment that it is made of, `plain_of` to the relation's column.
    """
    for part in conjuncts(condition):
        text = part.sql(dialect)
        for low, high, strict in ordered(part):
            found = difference(read(high, shift_of), read(low, shift_of))
            plain = difference(read(high, plain_of), read(low, plain_of))
            if found is None or plain is None or found.plus is None or found.minus is None:
                continue
            kinds = _kind(found, strict), _kind(plain, strict)
            if isinstance(part, exp.EQ) and not {GAP, BEFORE}.intersection(kinds):
                continue  # rows of the same moment are no earlier ones
            yield _of_ranks(Before(found.minus, found.plus, *kinds, text), shift_of)


def _of_ranks(each: Before, shift_of: ShiftOf) -> Before:
    """Say of numbers of rows what they say of the moments that order them; how long is between those, they do not."""
    first, second = shift_of(each.first).rank, shift_of(each.second).rank
    if first is None or second is None:
        return each
    kind, plain = (BEFORE if kind == GAP else kind for kind in (each.kind, each.plain))
    within = tuple(zip(first.within, second.within, strict=True))
    before = Before(each.first, each.second, kind, plain, each.text, True, within)
    return before._replace(first=each.second, second=each.first) if first.backwards else before


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


def ordered(part: exp.Expr) -> Iterator[tuple[exp.Expr, exp.Expr, bool]]:
    """Yield pairs of which the first is less than the second; with True: and not equal to it."""
    if isinstance(part, exp.LT | exp.LTE):
        yield part.this, part.expression, isinstance(part, exp.LT)
    elif isinstance(part, exp.GT | exp.GTE):
        yield part.expression, part.this, isinstance(part, exp.GT)
    elif isinstance(part, exp.Between) and not part.args.get("symmetric"):
        yield part.args["low"], part.this, False
        yield part.this, part.args["high"], False
    elif isinstance(part, exp.EQ):
        yield part.this, part.expression, False
        yield part.expression, part.this, False


def _kind(found: Sum, strict: bool) -> str:
    """Say how far `minus` lies before `plus`, if their difference with the seconds beside it is no less than zero.

    Two dates are compared as they are; beside a moment, a date may lie later by a day. Values on a grid that are
    not equal differ by whole steps of it. Values in different terms, or that may lie anywhere, tell nothing.
    """
    if found.terms[0] != found.terms[1]:
        return ANY
    of_plus, of_minus = found.dates
    low = found.low - (DAY if of_plus and not of_minus else 0.0)
    high = found.high + (DAY if of_minus and not of_plus else 0.0)
    low, high = whole_months(low, found.grid), whole_months(high, found.grid)
    if high < 0:
        return GAP
    least = (found.grid.seconds if strict else 0.0) - high
    if least < 0:
        return ANY
    return BEFORE if strict or low < high else UNTIL
