"""What translators build: sqlglot expressions that refer to each other by node, not by name.

A node is computed once and may be used often. The assembler decides which nodes become columns of a CTE, and under
which name; until then an expression holds a `Ref` to the node, and a `Double` for each number of the model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

LONGEST_SUM = 100


@dataclass(frozen=True, eq=False)
class Walked:
    """A tree that has grown (`trees.tree.Grown`), and the number that each of its nodes gives as a leaf."""

    grown: Any
    numbers: Any


@dataclass(frozen=True, eq=False)
class Node:
    """Something computed from a row; `hint` is the preferred name of its column.

    `within` are its least and its greatest value if its creator knows them; then it is never NULL. `tree` says of what
    a tree predicts how it is found, for those who can walk.
    """

    hint: str
    within: tuple[float, float] | None = field(default=None, kw_only=True)
    tree: Walked | None = field(default=None, kw_only=True)


@dataclass(frozen=True, eq=False)
class Source(Node):
    """A column of the relation, as it stands there."""


@dataclass(frozen=True, eq=False)
class Named(Node):
    """An expression over other nodes; it belongs to this node alone.

    `kept` makes it a column of its own even where it is used once; it is computed no earlier than `after`.
    """

    expression: exp.Expression
    kept: bool = False
    after: Node | None = None


@dataclass(frozen=True, eq=False)
class Lookup(Node):
    """A number looked up by one value; None is NULL. `missing` stands for NULL, `other` for all that is not a key.

    `integer`: the numbers are whole ones for SQL too, not doubles.
    """

    source: Node
    entries: tuple[tuple[str | float, float | None], ...]
    missing: float | None
    other: float | None
    integer: bool = False


@dataclass(frozen=True, eq=False)
class Numbers(Node):
    """Numbers of the model as one array, the same for every row; `integer`: whole ones."""

    values: Sequence[float]
    integer: bool = False


@dataclass(frozen=True, eq=False)
class Either(Node):
    """Something that is computed by comparisons or, on engines with fast array lookups, by arrays."""

    compared: Callable[[], exp.Expression]
    looked_up: Callable[[], exp.Expression]


class Ref(exp.Expression, exp.Condition):
    """The value of a node."""

    arg_types = {"this": True}  # noqa: RUF012 (as sqlglot spells it)


class Double(exp.Expression, exp.Condition):
    """A number of the model: a float, written so that the engine reads the same 64 bits."""

    arg_types = {"this": True}  # noqa: RUF012 (as sqlglot spells it)


class NotNan(exp.Expression, exp.Condition):
    """A double that is NULL where the engine's value is NaN."""

    arg_types = {"this": True}  # noqa: RUF012 (as sqlglot spells it)


class FromDecimal(exp.Expression, exp.Condition):
    """A decimal as a double, infinite where it is too large for one, NULL where it is NaN."""

    arg_types = {"this": True}  # noqa: RUF012 (as sqlglot spells it)


class Pick(exp.Expression, exp.Condition):
    """One of some numbers of the model, by its index, which counts from 1."""

    arg_types = {"this": True, "expressions": True}  # noqa: RUF012 (as sqlglot spells it)


class At(exp.Expression, exp.Condition):
    """The element of an array, `this`, at an index, which counts from 1."""

    arg_types = {"this": True, "expression": True}  # noqa: RUF012 (as sqlglot spells it)


class Seconds(exp.Expression, exp.Condition):
    """A date or timestamp (UTC) as seconds since 1970, a double; `zoned`: it is a timestamp with time zone."""

    arg_types = {"this": True, "zoned": False}  # noqa: RUF012 (as sqlglot spells it)


def ref(node: Node) -> exp.Expression:
    """Refer to a node."""
    return Ref(this=node)


def column(name: str) -> exp.Expression:
    """Name a column, quoted."""
    return exp.Column(this=exp.Identifier(this=name, quoted=True))


def double(value: float) -> exp.Expression:
    """Write a number of the model; NaN is NULL."""
    value = float(value)
    return exp.null() if math.isnan(value) else Double(this=value)


def whole(value: int) -> exp.Expression:
    """Write a small whole number."""
    return exp.Literal(this=str(int(value)), is_string=False)


def case(branches: Sequence[tuple[exp.Expression, exp.Expression]], other: exp.Expression | None) -> exp.Expression:
    """Build CASE without copying its parts; without branches it is what stands in ELSE."""
    if not branches:
        return exp.null() if other is None else other
    return exp.Case(ifs=[exp.If(this=when, true=then) for when, then in branches], default=other)


def add(left: exp.Expression, right: exp.Expression) -> exp.Expression:
    """Build left + right, which binds to the left."""
    return exp.Add(this=left, expression=_grouped(right))


def added(terms: Sequence[exp.Expression]) -> exp.Expression:
    """Add terms up, many of them in groups: engines limit how deep an expression is."""
    if len(terms) > LONGEST_SUM:
        groups = [terms[first : first + LONGEST_SUM] for first in range(0, len(terms), LONGEST_SUM)]
        return added([exp.Paren(this=added(group)) for group in groups])
    total = terms[0]
    for term in terms[1:]:
        total = exp.Add(this=total, expression=_grouped(term))
    return total


def subtract(left: exp.Expression, right: exp.Expression) -> exp.Expression:
    """Build left - right."""
    return exp.Sub(this=left, expression=_grouped(right))


def multiply(left: exp.Expression, right: exp.Expression) -> exp.Expression:
    """Build left * right."""
    return exp.Mul(this=_grouped(left), expression=_grouped(right))


def divide(left: exp.Expression, right: exp.Expression) -> exp.Expression:
    """Build left / right; both are doubles, and right is not zero."""
    return exp.Div(this=_grouped(left), expression=_grouped(right), typed=True, safe=False)


def negative(value: exp.Expression) -> exp.Expression:
    """Build -value."""
    return exp.Neg(this=_grouped(value))


def at_most(left: exp.Expression, right: exp.Expression) -> exp.Expression:
    """Build left <= right."""
    return exp.LTE(this=_grouped(left), expression=_grouped(right))


def above(left: exp.Expression, right: exp.Expression) -> exp.Expression:
    """Build left > right."""
    return exp.GT(this=_grouped(left), expression=_grouped(right))


def at_least(left: exp.Expression, right: exp.Expression) -> exp.Expression:
    """Build left >= right."""
    return exp.GTE(this=_grouped(left), expression=_grouped(right))


def below(left: exp.Expression, right: exp.Expression) -> exp.Expression:
    """Build left < right."""
    return exp.LT(this=_grouped(left), expression=_grouped(right))


def equal(left: exp.Expression, right: exp.Expression) -> exp.Expression:
    """Build left = right."""
    return exp.EQ(this=_grouped(left), expression=_grouped(right))


def is_null(value: exp.Expression) -> exp.Expression:
    """Build value IS NULL."""
    return exp.Is(this=_grouped(value), expression=exp.null())


def is_known(value: exp.Expression) -> exp.Expression:
    """Build value IS NOT NULL."""
    return exp.Not(this=is_null(value))


def both(conditions: Sequence[exp.Expression]) -> exp.Expression:
    """Build the AND of conditions."""
    return _joined(exp.And, conditions)


def either(conditions: Sequence[exp.Expression]) -> exp.Expression:
    """Build the OR of conditions."""
    return _joined(exp.Or, conditions)


def _joined(kind: type[exp.Expression], conditions: Sequence[exp.Expression]) -> exp.Expression:
    if len(conditions) > LONGEST_SUM:
        groups = [conditions[first : first + LONGEST_SUM] for first in range(0, len(conditions), LONGEST_SUM)]
        return _joined(kind, [_joined(kind, group) for group in groups])
    joined, *rest = [exp.Paren(this=each) if isinstance(each, exp.Connector) else each for each in conditions]
    for each in rest:
        joined = kind(this=joined, expression=each)
    return joined


def _grouped(value: exp.Expression) -> exp.Expression:
    return exp.Paren(this=value) if isinstance(value, (exp.Binary, exp.Unary)) else value
