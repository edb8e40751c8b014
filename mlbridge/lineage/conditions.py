"""What WHERE and ON demand of the rows that values come from: moments in order, and branches of a union left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sqlglot import exp

from mlbridge.lineage.comparisons import comparisons, conjuncts
from mlbridge.lineage.flows import NULL, Column, places
from mlbridge.lineage.graph import AFTER, ANY, Condition
from mlbridge.lineage.scope import Scope, Source


def restrict(condition: exp.Expr, scope: Scope, given: Iterable[Source]) -> None:
    """Note for each source among `given` which rows a condition lets in."""
    found = list(_found(condition, scope))
    for source, each, moment in found:
        if any(source is other for other in given):
            source.hold(each, moment)


@contextmanager
def guarded(condition: exp.Expr, scope: Scope) -> Iterator[None]:
    """Read an expression as one that only rows reach for which a condition holds, as in `case when`."""
    before = [(source, source.conditions) for source in scope.sources]
    restrict(condition, scope, scope.sources)
    try:
        yield
    finally:
        for source, conditions in before:
            source.conditions = conditions


def _found(condition: exp.Expr, scope: Scope) -> Iterator[tuple[Source, Condition, Column]]:
    """Yield conditions, each with the source whose rows it is about, and with the moment of them that it names."""
    for each in comparisons(condition, scope.names.dialect, scope.shift_of, scope.plain_of):
        earlier, later = scope.column(each.first.parts), scope.column(each.second.parts)
        first, second = places(earlier), places(later)
        source, other = (scope.holder(column.parts) for column in (each.first, each.second))
        if not first or not second:
            continue
        if source is not None:
            yield source, Condition(each.text, each.kind, first, second, each.plain, source is other), earlier
        if other is not None and source is not other and each.kind != ANY and _is_joined(other, source, scope):
            yield other, Condition(each.text, AFTER, second, first, AFTER), later


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
