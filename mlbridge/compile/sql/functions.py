"""How the engines spell what the standard leaves open: infinity, NaN, moments, decimals, elements of a list."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from mlbridge.compile.sql.expressions import at_most, case, whole

# From here on a number is infinite as a double: half a step beyond the greatest one.
DOUBLE_OVERFLOW = str(2**1024 - 2**970)
Parts = Callable[[exp.Expression], exp.Expression]
Moments = Callable[[exp.Expression, bool], exp.Expression]
Picks = Callable[[exp.Expression, list[exp.Expression]], exp.Expression]
Element = Callable[[exp.Expression, exp.Expression], exp.Expression]
Infinities = Callable[[float], exp.Expression]


def infinity(value: float) -> exp.Expression:
    """Write infinity by its usual name."""
    return exp.cast(exp.Literal.string("Infinity" if value > 0 else "-Infinity"), "double")


def inf(value: float) -> exp.Expression:
    """Write infinity by its short name."""
    return exp.cast(exp.Literal.string("inf" if value > 0 else "-inf"), "double")


def overflow(value: float) -> exp.Expression:
    """SQLite has no word for infinity."""
    infinite = exp.Literal(this="9e999", is_string=False)
    return infinite if value > 0 else exp.Neg(this=infinite)


def equals_itself(value: exp.Expression) -> exp.Expression:
    """NaN equals NaN, as in a sort."""
    nan = exp.Cast(this=exp.Literal.string("NaN"), to=exp.DataType.build("double"))
    return exp.Nullif(this=value, expression=nan)


def by_function(value: exp.Expression) -> exp.Expression:
    """Ask a function whether a double is NaN."""
    return exp.Case(ifs=[exp.If(this=exp.Not(this=exp.IsNan(this=value)), true=value.copy())])


def as_it_is(value: exp.Expression) -> exp.Expression:
    """Leave a double as it is, where the engine has no NaN."""
    return value


def timestamp(value: exp.Expression, zoned: bool) -> exp.Expression:
    """A timestamp with time zone is a moment already: the cast would make it the session's local time."""
    return value if zoned else exp.Cast(this=value, to=exp.DataType.build("timestamp"))


def called(name: str) -> Moments:
    """Give the function of that name, which turns a timestamp into seconds."""
    return lambda value, zoned: exp.Anonymous(this=name, expressions=[timestamp(value, zoned)])


def date_part(unit: str, moment: exp.Expression) -> exp.Expression:
    """Write a part of a timestamp."""
    return exp.Anonymous(this="DATE_PART", expressions=[exp.Literal.string(unit), moment])


def millionths(micros: exp.Expression) -> exp.Expression:
    """Write microseconds as seconds."""
    return exp.Div(this=exp.cast(micros, "double"), expression=exp.Literal.number("1e6"), typed=True)


def postgres_seconds(value: exp.Expression, zoned: bool) -> exp.Expression:
    """An infinite moment is NULL, as on the engines that have no seconds for it."""
    moment = timestamp(value, zoned)
    finite = exp.Anonymous(this="ISFINITE", expressions=[moment])
    return exp.Case(ifs=[exp.If(this=finite, true=date_part("epoch", moment.copy()))])


def double(value: exp.Expression) -> exp.Expression:
    """Read a number as a double."""
    return exp.Cast(this=value, to=exp.DataType.build("double"))


def postgres_double(value: exp.Expression) -> exp.Expression:
    """Its decimals may be NaN, which equals itself and is above all numbers, infinite, or too large for a double."""
    numeric = exp.DataType.build("decimal")

    def beyond(kind: type[exp.Expression], end: str, becomes: str) -> exp.If:
        literal = exp.Cast(this=exp.Literal.string(end), to=numeric.copy())
        result = exp.Cast(this=exp.Literal.string(becomes), to=exp.DataType.build("double"))
        return exp.If(this=kind(this=value.copy(), expression=literal), true=result)

    nan = exp.EQ(this=value.copy(), expression=exp.Cast(this=exp.Literal.string("NaN"), to=numeric.copy()))
    size = exp.Abs(this=value.copy())
    tiny = exp.LT(this=size, expression=exp.Cast(this=exp.Literal.string("5e-324"), to=numeric.copy()))
    zero = exp.Cast(this=exp.Literal.string("0"), to=exp.DataType.build("double"))
    ifs = [
        exp.If(this=nan, true=exp.null()),
        beyond(exp.GTE, DOUBLE_OVERFLOW, "Infinity"),
        beyond(exp.LTE, f"-{DOUBLE_OVERFLOW}", "-Infinity"),
        exp.If(this=tiny, true=zero),
    ]
    return exp.Case(ifs=ifs, default=double(value))


def snowflake_seconds(value: exp.Expression, zoned: bool) -> exp.Expression:
    """It counts microseconds."""
    return millionths(date_part("epoch_microsecond", timestamp(value, zoned)))


def bigquery_seconds(value: exp.Expression, zoned: bool) -> exp.Expression:
    """Its TIMESTAMP has a time zone, its DATETIME has none."""
    moment = value if zoned else exp.cast(value, "timestamptz")
    return millionths(exp.Anonymous(this="UNIX_MICROS", expressions=[moment]))


def spark_seconds(value: exp.Expression, zoned: bool) -> exp.Expression:
    """Its TIMESTAMP is a moment: a cast to it would read a timestamp without time zone as the session's local time."""
    if zoned:
        return millionths(exp.Anonymous(this="UNIX_MICROS", expressions=[value]))
    start = exp.cast(exp.Literal.string("1970-01-01"), "timestampntz")
    since = exp.Paren(this=exp.Sub(this=exp.cast(value, "timestampntz"), expression=start))
    seconds = exp.Cast(this=since, to=exp.DataType.build("interval second", dialect="spark"))
    return exp.cast(exp.cast(seconds, "decimal(20, 6)"), "double")


def by_function_named(name: str) -> Picks:
    """Give the function of that name, which gives the element of an array."""
    return lambda index, numbers: exp.Anonymous(this=name, expressions=[exp.Array(expressions=numbers), index])


def of_list(array: exp.Expression, index: exp.Expression) -> exp.Expression:
    """Write the element of a list."""
    return exp.Anonymous(this="LIST_EXTRACT", expressions=[array, index])


def bracket(index: exp.Expression, numbers: list[exp.Expression]) -> exp.Expression:
    """Write the element of an array in brackets, which count from 1."""
    return exp.Bracket(this=exp.Paren(this=exp.Array(expressions=numbers)), expressions=[index], offset=1)


def by_ordinal(index: exp.Expression, numbers: list[exp.Expression]) -> exp.Expression:
    """Write the element of an array in brackets, with an index that is declared to count from 1."""
    return exp.Bracket(this=exp.Array(expressions=numbers), expressions=[index], offset=1, safe=False)


def by_get(index: exp.Expression, numbers: list[exp.Expression]) -> exp.Expression:
    """Its arrays count from 0, and hold values of any type."""
    array = exp.Anonymous(this="ARRAY_CONSTRUCT", expressions=numbers)
    found = exp.Anonymous(this="GET", expressions=[array, exp.Sub(this=index, expression=whole(1))])
    return exp.Cast(this=found, to=exp.DataType.build("double"))


def by_halves(index: exp.Expression, numbers: list[exp.Expression]) -> exp.Expression:
    """Halve the numbers until one is left, where there are no arrays."""

    def half(start: int, end: int) -> exp.Expression:
        if end - start == 1:
            return numbers[start]
        middle = (start + end) // 2
        return case([(at_most(index.copy(), whole(middle)), half(start, middle))], half(middle, end))

    return half(0, len(numbers))
