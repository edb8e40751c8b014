"""What differs between the engines that generated SQL is written for, and how the parts of `expressions` are spelt."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from mlbridge.compile.expressions import At, Double, NotNan, Pick, Seconds, at_most, case, whole
from mlbridge.errors import CompileError, listed, nearest

WORDS_A_LINE = 12
Parts = Callable[[exp.Expression], exp.Expression]
Moments = Callable[[exp.Expression, bool], exp.Expression]
Picks = Callable[[exp.Expression, list[exp.Expression]], exp.Expression]
Element = Callable[[exp.Expression, exp.Expression], exp.Expression]
Infinities = Callable[[float], exp.Expression]


def _infinity(value: float) -> exp.Expression:
    return exp.cast(exp.Literal.string("Infinity" if value > 0 else "-Infinity"), "double")


def _inf(value: float) -> exp.Expression:
    return exp.cast(exp.Literal.string("inf" if value > 0 else "-inf"), "double")


def _overflow(value: float) -> exp.Expression:
    """SQLite has no word for infinity."""
    infinite = exp.Literal(this="9e999", is_string=False)
    return infinite if value > 0 else exp.Neg(this=infinite)


@dataclass(frozen=True)
class Dialect:
    """An engine's ways.

    `typed_literals`: a number with an exponent is a double, else it must be cast. `materialized`: a CTE must be told
    not to be copied into where it is used. `joins`: takes a table of values beside a CTE. `folds_case`: two columns
    may not differ in case only. `longest_name` is in bytes. `substitutes`: `${...}` is replaced in a query, wherever it
    stands, before it is read. `element` gives the element of an array at a place, where that takes no longer than a
    comparison or two. `largest` is how many characters a statement may have and `deepest` how deep an expression may
    be: the engine's limit, or what it still plans within seconds.
    """

    name: str
    nan: Parts
    seconds: Moments | None
    pick: Picks
    typed_literals: bool = True
    materialized: bool = False
    joins: bool = True
    folds_case: bool = True
    longest_name: int = 255
    substitutes: bool = False
    infinity: Infinities = _infinity
    element: Element | None = None
    largest: int = 4_000_000
    deepest: int = 1_000


def _equals_itself(value: exp.Expression) -> exp.Expression:
    """NaN equals NaN, as in a sort."""
    nan = exp.Cast(this=exp.Literal.string("NaN"), to=exp.DataType.build("double"))
    return exp.Nullif(this=value, expression=nan)


def _by_function(value: exp.Expression) -> exp.Expression:
    return exp.Case(ifs=[exp.If(this=exp.Not(this=exp.IsNan(this=value)), true=value.copy())])


def _never(value: exp.Expression) -> exp.Expression:
    return value


def _timestamp(value: exp.Expression, zoned: bool) -> exp.Expression:
    """A timestamp with time zone is a moment already: the cast would make it the session's local time."""
    return value if zoned else exp.Cast(this=value, to=exp.DataType.build("timestamp"))


def _called(name: str) -> Moments:
    return lambda value, zoned: exp.Anonymous(this=name, expressions=[_timestamp(value, zoned)])


def _date_part(unit: str, moment: exp.Expression) -> exp.Expression:
    return exp.Anonymous(this="DATE_PART", expressions=[exp.Literal.string(unit), moment])


def _millionths(micros: exp.Expression) -> exp.Expression:
    return exp.Div(this=exp.cast(micros, "double"), expression=exp.Literal.number("1e6"), typed=True)


def _postgres_seconds(value: exp.Expression, zoned: bool) -> exp.Expression:
    return _date_part("epoch", _timestamp(value, zoned))


def _snowflake_seconds(value: exp.Expression, zoned: bool) -> exp.Expression:
    return _millionths(_date_part("epoch_microsecond", _timestamp(value, zoned)))


def _bigquery_seconds(value: exp.Expression, zoned: bool) -> exp.Expression:
    """Its TIMESTAMP has a time zone, its DATETIME has none."""
    moment = value if zoned else exp.cast(value, "timestamptz")
    return _millionths(exp.Anonymous(this="UNIX_MICROS", expressions=[moment]))


def _spark_seconds(value: exp.Expression, zoned: bool) -> exp.Expression:
    """Its TIMESTAMP is a moment, and a cast to that would take what has no time zone for the session's local time."""
    if zoned:
        return _millionths(exp.Anonymous(this="UNIX_MICROS", expressions=[value]))
    start = exp.cast(exp.Literal.string("1970-01-01"), "timestampntz")
    since = exp.Paren(this=exp.Sub(this=exp.cast(value, "timestampntz"), expression=start))
    seconds = exp.Cast(this=since, to=exp.DataType.build("interval second", dialect="spark"))
    return exp.cast(exp.cast(seconds, "decimal(20, 6)"), "double")


def _element(name: str) -> Picks:
    return lambda place, numbers: exp.Anonymous(this=name, expressions=[exp.Array(expressions=numbers), place])


def _of_list(array: exp.Expression, place: exp.Expression) -> exp.Expression:
    return exp.Anonymous(this="LIST_EXTRACT", expressions=[array, place])


def _bracket(place: exp.Expression, numbers: list[exp.Expression]) -> exp.Expression:
    return exp.Bracket(this=exp.Paren(this=exp.Array(expressions=numbers)), expressions=[place], offset=1)


def _by_ordinal(place: exp.Expression, numbers: list[exp.Expression]) -> exp.Expression:
    return exp.Bracket(this=exp.Array(expressions=numbers), expressions=[place], offset=1, safe=False)


def _by_get(place: exp.Expression, numbers: list[exp.Expression]) -> exp.Expression:
    array = exp.Anonymous(this="ARRAY_CONSTRUCT", expressions=numbers)
    found = exp.Anonymous(this="GET", expressions=[array, exp.Sub(this=place, expression=whole(1))])
    return exp.Cast(this=found, to=exp.DataType.build("double"))


def _by_halves(place: exp.Expression, numbers: list[exp.Expression]) -> exp.Expression:
    """Halve the numbers until one is left, where there are no arrays."""

    def half(start: int, end: int) -> exp.Expression:
        if end - start == 1:
            return numbers[start]
        middle = (start + end) // 2
        return case([(at_most(place.copy(), whole(middle)), half(start, middle))], half(middle, end))

    return half(0, len(numbers))


DIALECTS: Mapping[str, Dialect] = {
    each.name: each
    for each in (
        Dialect("duckdb", _equals_itself, _called("EPOCH"), _element("LIST_EXTRACT"), element=_of_list),
        Dialect(
            "postgres",
            _equals_itself,
            _postgres_seconds,
            _bracket,
            typed_literals=False,
            materialized=True,
            folds_case=False,
            longest_name=63,
        ),
        Dialect("sqlite", _never, None, _by_halves, materialized=True, joins=False, infinity=_overflow),
        Dialect(
            "snowflake",
            _equals_itself,
            _snowflake_seconds,
            _by_get,
            typed_literals=False,
            folds_case=False,
            infinity=_inf,
            largest=1_000_000,
        ),
        Dialect("bigquery", _by_function, _bigquery_seconds, _by_ordinal, largest=1_000_000),
        Dialect("redshift", _equals_itself, None, _by_halves, typed_literals=False, longest_name=127),
        Dialect("databricks", _equals_itself, _spark_seconds, _element("ELEMENT_AT"), substitutes=True),
        Dialect("spark", _equals_itself, _spark_seconds, _element("ELEMENT_AT"), substitutes=True),
        Dialect("trino", _by_function, _called("TO_UNIXTIME"), _element("ELEMENT_AT"), largest=1_000_000),
    )
}


def dialect_of(name: str) -> Dialect:
    """Give an engine's ways; raises CompileError that lists the engines there are."""
    if name not in DIALECTS:
        raise CompileError(
            f"there is no dialect '{name}' to compile to.{nearest(name, DIALECTS)} There are: {listed(DIALECTS)}."
        )
    return DIALECTS[name]


def spelt(expression: exp.Expression, dialect: Dialect) -> exp.Expression:
    """Spell the parts that are not SQL yet as the engine wants them; changes the expression in place."""
    # Parts may stand inside each other: the inner ones first.
    kinds = (At, Double, NotNan, Pick, Seconds, *([exp.Literal] if dialect.substitutes else []))
    for part in reversed(list(expression.find_all(*kinds, bfs=False))):
        expression = _replaced(expression, part, _spelt(part, dialect))
    return expression


def _spelt(part: exp.Expression, dialect: Dialect) -> exp.Expression:
    if isinstance(part, Double):
        return _literal(part, dialect)
    if isinstance(part, NotNan):
        return dialect.nan(part.this)
    if isinstance(part, Pick):
        return dialect.pick(part.this, part.expressions)
    if isinstance(part, At):
        assert dialect.element is not None  # noqa: S101 (else `Either` compares)
        return dialect.element(part.this, part.expression)
    if isinstance(part, exp.Literal):
        return _kept(part)
    if dialect.seconds is None:
        raise CompileError(
            f"dates and timestamps cannot be compiled for '{dialect.name}' yet. Turn them into numbers of seconds "
            "in the features node."
        )
    return dialect.seconds(part.this, bool(part.args["zoned"]))


def _replaced(root: exp.Expression, part: exp.Expression, by: exp.Expression) -> exp.Expression:
    if part is root:
        return by
    part.replace(by)
    return root


def _kept(text: exp.Literal) -> exp.Expression:
    """Write a text in pieces, so that no `${...}` in it is replaced."""
    pieces = re.split(r"(?<=\$)(?=\{)", str(text.this))
    if len(pieces) == 1:
        return text
    return exp.Anonymous(this="CONCAT", expressions=[exp.Literal.string(piece) for piece in pieces])


def _literal(part: exp.Expression, dialect: Dialect) -> exp.Expression:
    """Write a double so that the engine reads the same bits: Python's shortest digits, always with an exponent."""
    value: float = part.this
    if math.isinf(value):
        return dialect.infinity(value)
    digits = repr(abs(value)).removesuffix(".0")
    literal: exp.Expression = exp.Literal(this=digits if "e" in digits else f"{digits}e0", is_string=False)
    if math.copysign(1, value) < 0:
        literal = exp.Neg(this=literal)
    if dialect.typed_literals or isinstance(part.parent, exp.Predicate):
        return literal  # beside a double, the other engines read a number as one
    return exp.Cast(this=literal, to=exp.DataType.build("double"))


def array(values: Sequence[float], integer: bool) -> exp.Expression:
    """Write numbers of the model as an array: as one text, which is read much faster than as many literals."""
    words = [str(int(value)) if integer else repr(float(value)) for value in values]
    lines = ["[" + ", ".join(words[:WORDS_A_LINE])]
    lines += [", ".join(words[first : first + WORDS_A_LINE]) for first in range(WORDS_A_LINE, len(words), WORDS_A_LINE)]
    kind = exp.DataType.build("int" if integer else "double")
    kinds = exp.DataType(this=exp.DataType.Type.ARRAY, expressions=[kind], nested=True)
    return exp.Cast(this=exp.Literal.string(",\n".join(lines) + "]"), to=kinds)
