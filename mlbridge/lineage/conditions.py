"""What WHERE and ON demand of the rows that values come from: moments in order, and branches of a union left out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from math import isinf
from typing import TypeAlias

from sqlglot import exp

from mlbridge.lineage.comparisons import Before, comparisons, conjuncts, ordered
from mlbridge.lineage.flows import NULL, Column, merged, moment_of, part_of, placed_by, places
from mlbridge.lineage.graph import AFTER, ANY, BEFORE, BESIDE, COPIED, GAP, UNTIL, VALUES, Condition
from mlbridge.lineage.held import alike
from mlbridge.lineage.links import Source
from mlbridge.lineage.moments import UNKNOWN
from mlbridge.lineage.parts import around, is_sure_part
from mlbridge.lineage.rows import Moment
from mlbridge.lineage.scope import Scope
from mlbridge.lineage.sums import MINUS, PLUS

PLACING = {GAP, BEFORE, UNTIL}
Tie: TypeAlias = Callable[[Source], None]  # notes something of a source


def restrict(condition: exp.Expr, scope: Scope, given: Iterable[Source]) -> None:
    """Note for each source among `given` which rows a condition lets in."""
    compared = list(comparisons(condition, scope.names.dialect, scope.shift_of, scope.plain_of))
    for source, tie in _equal(condition, compared, scope):  # also of rows that an outer join keeps, where others are
        if any(source is other for other in scope.sources):
            tie(source)
    every = [each for each in compared if _is_told(each, scope)]
    held, ties = list(_found(every, scope)), list(_earlier_or_later(every, scope))
    for source, each, moment in held:
        if any(source is other for other in given):
            source.hold(each, moment)
    for source, tie in ties:
        if any(source is other for other in given):
            tie(source)
    for source, last in _bounded_by_another(condition, scope):
        if any(source is other for other in given):
            source.until = (*source.until, last)


@contextmanager
def guarded(condition: exp.Expr, scope: Scope) -> Iterator[None]:
    """Read an expression as one that only rows reach for which a condition holds, as in `case when`."""
    kept = [(source, source.conditions, source.link, source.until, source.before) for source in scope.sources]
    restrict(condition, scope, scope.sources)
    try:
        yield
    finally:
        for source, conditions, link, until, before in kept:
            source.conditions, source.link, source.until, source.before = conditions, link, until, before


def _is_told(each: Before, scope: Scope) -> bool:
    """Return whether a comparison says something of moments: numbers do, of rows that are known to be alike."""
    if not each.is_of_ranks:
        return True
    sources = [scope.holder(column.parts) for column in (each.first, each.second)]
    same = {(pair.first, pair.second) for source in sources if source is not None for pair in source.link.same}
    if sources[0] is sources[1]:
        same |= {pair for pair in each.within if pair[0] == pair[1]}
    return all(pair in same or pair[::-1] in same for pair in each.within)


def _found(every: Iterable[Before], scope: Scope) -> Iterator[tuple[Source, Condition, Column]]:
    """Yield conditions, each with the source whose rows it is about, and with the moment of them that it names."""
    for each in every:
        earlier, later = scope.column(each.first.parts), scope.column(each.second.parts)
        first = placed_by(earlier)
        second = first if each.is_of_ranks else placed_by(later)  # numbers are compared that one order gives
        source, other = (scope.holder(column.parts) for column in (each.first, each.second))
        if not first or not second:
            continue
        if source is not None:
            yield source, Condition(each.text, each.kind, first, second, each.plain, source is other), earlier
        if other is not None and source is not other and each.kind != ANY and _is_joined(other, source, scope):
            yield other, Condition(each.text, AFTER, second, first, AFTER), later


def _earlier_or_later(every: Iterable[Before], scope: Scope) -> Iterator[tuple[Source, Tie]]:
    """Yield which sources' rows lie before another one's, or after it, and which of two moments of a row does.

    The earliest or latest of several rows' moments is no moment of the row that has it: none lies after that row by it.
    """
    for each in every:
        first, second = (scope.holder(column.parts) for column in (each.first, each.second))
        shifts = scope.shift_of(each.first), scope.shift_of(each.second)
        unread = UNKNOWN in shifts
        kind = each.plain if unread else each.kind
        if first is None or second is None or not {kind, each.plain} & PLACING:
            continue
        earlier, later = (scope.column(column.parts) for column in (each.first, each.second))
        if kind not in PLACING:  # if the columns are the declared moments as they are
            yield first, partial(Source.equal, keys=(), same=alike(earlier, later), via=[None])
        elif first is second:
            yield first, partial(Source.settle, earlier=earlier, later=later)
            beside = Condition(each.text, BESIDE, places(earlier), places(later), BESIDE)
            yield first, partial(Source.note, condition=beside)
        else:
            yield first, Source.look_back
            yield first, partial(Source.precede, own=earlier, other=later)
            if unread or not any(isinf(end) for shift in shifts for end in shift[:2]):
                yield second, Source.look_ahead


def _bounded_by_another(condition: exp.Expr, scope: Scope) -> Iterator[tuple[Source, Moment]]:
    """Yield which sources of a self join have rows only until another one's moment, by one and the same column."""
    for part in conjuncts(condition):
        for low, high, _ in () if isinstance(part, exp.EQ) else ordered(part):
            one, other = low.unnest(), high.unnest()
            if not isinstance(one, exp.Column) or not isinstance(other, exp.Column):
                continue
            first, second = scope.holder(one.parts), scope.holder(other.parts)
            earlier, later = scope.column(one.parts), scope.column(other.parts)
            moment, is_same = moment_of(later), (places(earlier), earlier.shift) == (places(later), later.shift)
            if first is not None and first.mark is not None and first is not second and is_same and moment is not None:
                yield first, moment


def _equal(condition: exp.Expr, every: Iterable[Before], scope: Scope) -> Iterator[tuple[Source, Tie]]:
    """Yield which columns of sources are equal, and which sources' rows a row around looks for."""
    ordered = {each.text for each in every}
    for part in conjuncts(condition):
        sources, text = holders(part, scope), part.sql(scope.names.dialect)
        if not all(any(each is other for other in scope.sources) for each in sources):
            for each in sources:
                yield each, partial(Source.join, text=text)
        if isinstance(part, exp.EQ) and len(sources) == 2 and text not in ordered and not _is_moved(part):
            sides = part.this, part.expression
            one, other = (holders(side, scope) for side in sides)
            if len(one) == 1 == len(other):
                mine, its = (merged(_compared(side, scope)) for side in sides)
                my, their = ([scope.names.key(each.this) for each in side.find_all(exp.Column)] for side in sides)
                for source, this, same, to, that in (
                    (one[0], my, alike(mine, its), other[0], their),
                    (other[0], their, alike(its, mine), one[0], my),
                ):
                    yield source, partial(Source.equal, keys=this, same=same, via=_via(source, to, that, scope))
                if all(isinstance(each.unnest(), exp.Column) for each in sides):
                    first, second = (scope.column(each.unnest().parts) for each in sides)
                    yield one[0], partial(Source.precede, own=first, other=second)
                    yield other[0], partial(Source.precede, own=second, other=first)


def _compared(side: exp.Expr, scope: Scope) -> Iterator[Column]:
    for each in side.find_all(exp.Column):
        column = scope.column(each.parts)
        parts = around(each, side)
        is_whole = not any(map(is_sure_part, parts))
        yield part_of(column, (COPIED,) if is_whole else VALUES) if parts else column


def _via(source: Source, to: Source, keys: list[str], scope: Scope) -> list[tuple[Source, list[str]] | None]:
    """Return whose rows a source's equal columns lead to: another's that was there before it, or a row around."""
    before = itertools.takewhile(lambda each: each is not source, scope.sources)
    if any(each is to for each in before):
        return [(to, keys)]
    return [] if any(each is to for each in scope.sources) else [None]


def _is_moved(part: exp.EQ) -> bool:
    """Return whether what is compared is moved, such as the number of a row less one."""
    return any(each.find(*PLUS, *MINUS) is not None for each in (part.this, part.expression))


def holders(node: exp.Expr, scope: Scope) -> list[Source]:
    """Return the sources that the columns of an expression are of."""
    found = (scope.holder(each.parts) for each in node.find_all(exp.Column))
    return list({id(each): each for each in found if each is not None}.values())


def _is_joined(source: Source, to: Source | None, scope: Scope) -> bool:
    """Return whether rows of a source are looked for: those that FROM begins with look for others."""
    return not scope.sources or source is not scope.sources[0] or not any(to is each for each in scope.sources)


def is_left_out(conditions: Iterable[exp.Expr], scope: Scope) -> bool:
    """Return whether no row at hand meets conditions, because a column in them is another constant, or NULL."""
    return any(_contradicts(part, scope) for condition in conditions for part in conjuncts(condition))


def _contradicts(part: exp.Expr, scope: Scope) -> bool:
    demanded = _not_null(part)
    if demanded is not None:
        return _is_null(demanded, scope)
    if isinstance(part, exp.EQ | exp.NEQ):
        one, other = _constant(part.this, scope), _constant(part.expression, scope)
        return NULL in (one, other) or _differ(one, other, isinstance(part, exp.NEQ))
    if isinstance(part, exp.In) and part.expressions:
        constant = _constant(part.this, scope)
        return constant == NULL or all(_differ(constant, _constant(each, scope), False) for each in part.expressions)
    return isinstance(part, exp.Column) and _constant(part, scope) in (NULL, "FALSE", "0")


def _not_null(part: exp.Expr) -> exp.Expr | None:
    """Return what `x is not null` demands a value of; None for anything else.

    Dialects read it as the negation of `is null` or as an `is` that is negated itself, and either may be negated again.
    """
    negated = False
    while isinstance(part, exp.Not | exp.Paren):
        negated ^= isinstance(part, exp.Not)
        part = part.this
    if not isinstance(part, exp.Is) or not isinstance(part.expression, exp.Null):
        return None
    negated ^= bool(part.args.get("negate"))
    return part.this if negated else None


def _differ(one: str | None, other: str | None, equal: bool) -> bool:
    """Return whether two literals of one type are surely different; with `equal` whether they are surely the same.

    Only whole numbers, and texts that differ by more than case and blanks, which not every engine tells apart.
    """
    if one is None or other is None:
        return False
    if one.isdigit() and other.isdigit():
        return (int(one) == int(other)) == equal
    if not (one.startswith("'") and other.startswith("'")):
        return False
    return one == other if equal else _folded(one) != _folded(other)


def _folded(text: str) -> str:
    return text.strip("'").strip().casefold()


def _is_null(node: exp.Expr, scope: Scope) -> bool:
    return _constant(node, scope) == NULL


def _constant(node: exp.Expr, scope: Scope) -> str | None:
    inner = node.unnest()
    if isinstance(inner, exp.Literal | exp.Boolean | exp.Null):
        return inner.sql()
    return scope.column(inner.parts).constant if isinstance(inner, exp.Column) else None
