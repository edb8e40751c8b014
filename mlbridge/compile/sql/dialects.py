"""What differs between the engines that generated SQL is written for, and how the parts of `expressions` are spelt."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from mlbridge.compile.sql.expressions import At, Double, FromDecimal, NotNan, Pick, Seconds
from mlbridge.compile.sql.functions import (
    Element,
    Infinities,
    Moments,
    Parts,
    Picks,
    as_it_is,
    bigquery_seconds,
    bracket,
    by_function,
    by_function_named,
    by_get,
    by_halves,
    by_ordinal,
    called,
    double,
    equals_itself,
    inf,
    infinity,
    of_list,
    overflow,
    postgres_double,
    postgres_seconds,
    snowflake_seconds,
    spark_seconds,
)
from mlbridge.errors import CompileError, listed, nearest

WORDS_A_LINE = 12


@dataclass(frozen=True)
class Dialect:
    """What an engine supports, its limits, and how it spells what the standard leaves open.

    `typed_literals`: a number with an exponent is a double, else it must be cast. `materialized`: a CTE must be told
    not to be copied into where it is used. `joins`: takes a table of values beside a CTE. `folds_case`: two columns
    may not differ in case only. `longest_name` is in bytes. `substitutes`: `${...}` is replaced in a query, wherever it
    stands, before it is read. `element` gives the element of an array at an index, where that takes no longer than a
    comparison or two. `largest` is how many characters a statement may have and `deepest` how deep an expression may
    be: the engine's limit, or what it still plans within seconds. `widest` is how many columns one SELECT of the
    statement may have. `decimal` makes a double of a decimal.
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
    infinity: Infinities = infinity
    decimal: Parts = double
    element: Element | None = None
    largest: int = 4_000_000
    deepest: int = 1_000
    widest: float = math.inf

    @property
    def repeats(self) -> bool:
        """Say whether what turns NaN into NULL is written with the value twice."""
        return self.nan is by_function

    @property
    def infinite_decimals(self) -> bool:
        """Say whether its decimals may be infinite, or more than a double."""
        return self.decimal is not double


DIALECTS: Mapping[str, Dialect] = {
    each.name: each
    for each in (
        Dialect("duckdb", equals_itself, called("EPOCH"), by_function_named("LIST_EXTRACT"), element=of_list),
        Dialect(
            "postgres",
            equals_itself,
            postgres_seconds,
            bracket,
            typed_literals=False,
            materialized=True,
            folds_case=False,
            longest_name=63,
            decimal=postgres_double,
            widest=1_664,
        ),
        Dialect("sqlite", as_it_is, None, by_halves, materialized=True, joins=False, infinity=overflow, widest=2_000),
        Dialect(
            "snowflake",
            equals_itself,
            snowflake_seconds,
            by_get,
            typed_literals=False,
            folds_case=False,
            infinity=inf,
            largest=1_000_000,
        ),
        Dialect("bigquery", by_function, bigquery_seconds, by_ordinal, largest=1_000_000, widest=10_000),
        Dialect("redshift", equals_itself, None, by_halves, typed_literals=False, longest_name=127, widest=1_664),
        Dialect("databricks", equals_itself, spark_seconds, by_function_named("ELEMENT_AT"), substitutes=True),
        Dialect("spark", equals_itself, spark_seconds, by_function_named("ELEMENT_AT"), substitutes=True),
        Dialect("trino", by_function, called("TO_UNIXTIME"), by_function_named("ELEMENT_AT"), largest=1_000_000),
    )
}


def dialect_of(name: str) -> Dialect:
    """Return an engine's dialect by name; raises CompileError, which lists the dialects, for an unknown one."""
    if name not in DIALECTS:
        raise CompileError(
            f"there is no dialect '{name}' to compile to.{nearest(name, DIALECTS)} There are: {listed(DIALECTS)}."
        )
    return DIALECTS[name]


def spelt(expression: exp.Expression, dialect: Dialect) -> exp.Expression:
    """Spell the parts that are not SQL yet as the engine wants them; changes the expression in place."""
    # Parts may stand inside each other: the inner ones first.
    kinds = (At, Double, FromDecimal, NotNan, Pick, Seconds, *([exp.Literal] if dialect.substitutes else []))
    for part in reversed(list(expression.find_all(*kinds, bfs=False))):
        expression = _replaced(expression, part, _spelt(part, dialect))
    return expression


def _spelt(part: exp.Expression, dialect: Dialect) -> exp.Expression:
    if isinstance(part, Double):
        return _literal(part, dialect)
    if isinstance(part, FromDecimal):
        return dialect.decimal(part.this)
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
