"""The columns that flow through a pipeline.

`Raw` is a column of the relation that has not been read as a number or a text yet; `Number` is a double that is never
NaN: NULL is what scikit-learn sees as NaN; `Text` is a text or NULL; `Mapped` is a number looked up by one value in a
finite table, such as a code, an indicator or a target's mean. A transformation of it is applied to its table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.sql.expressions import (
    FromDecimal,
    Lookup,
    Named,
    Node,
    NotNan,
    Seconds,
    Source,
    equal,
    is_null,
    ref,
    whole,
)
from mlbridge.compile.sql.intervals import range_of
from mlbridge.compile.sql.number import GREATEST_SINGLE, Number
from mlbridge.compile.sql.ranges import GREATEST, ONE_OF_TWO, Range, of_values
from mlbridge.errors import CompileError

Floats = np.ndarray[Any, np.dtype[np.float64]]
Type = exp.DataType.Type
# Types that hold neither NaN nor infinity, nor anything beyond 2**127 (where `Raw.unbounded` does not say so).
EXACT = (*(exp.DataType.INTEGER_TYPES - {Type.UINT128, Type.INT256, Type.UINT256}), Type.DECIMAL)
# Types that cannot be read as numbers: those that only their engine knows, and misspelt ones.
UNKNOWN = (Type.USERDEFINED, Type.UNKNOWN)
WITH_ZONE = (Type.TIMESTAMPTZ, Type.TIMESTAMPLTZ)
# No engine has timestamps that are so many seconds from 1970.
LATEST = 1e14
A_DOUBLE = Range(-math.inf, math.inf, null=True)


@dataclass(frozen=True, eq=False)
class Text:
    """A text, or NULL."""

    node: Node


@dataclass(frozen=True, eq=False)
class Mapped:
    """A number given by a table: `values` by `keys`, `missing` for NULL, `other` for all else; NaN is NULL."""

    hint: str
    source: Node
    keys: tuple[str | float, ...]
    values: Floats
    missing: float
    other: float

    @property
    def table(self) -> Floats:
        """Give all values it can take: those of the keys, then `missing`, then `other`."""
        return np.array([*self.values, self.missing, self.other], dtype=np.float64)

    def with_table(self, table: Floats) -> Mapped:
        """Give the column with other values in the same places."""
        return replace(self, values=table[:-2], missing=float(table[-2]), other=float(table[-1]))

    @cached_property
    def number(self) -> Number:
        """Give it as a number that SQL computes."""
        optional = [None if np.isnan(each) else float(each) for each in self.table]
        *values, missing, other = optional
        entries = tuple((key, value) for key, value in zip(self.keys, values, strict=True) if value != other)
        node = Lookup(self.hint, self.source, entries, missing, other)
        whole = all(each is None or (abs(each) < 2**24 and each == int(each)) for each in optional)
        return Number(node, of_values(optional), whole)

    def same_source(self, other: Mapped) -> bool:
        """Return whether both are looked up by the same value with the same keys."""
        return self.source is other.source and self.keys == other.keys


@dataclass(frozen=True, eq=False)
class Raw:
    """A column of the relation; `type` is its SQL type where it is known.

    `unbounded`: a decimal may be NaN, infinite or more than a double.
    """

    name: str
    type: exp.DataType | None = None
    unbounded: bool = False

    @cached_property
    def source(self) -> Source:
        """Give the node of the column as it is."""
        return Source(self.name)

    @cached_property
    def number(self) -> Number:
        """Read it as a number: NaN is NULL, a boolean 0 or 1, a date or timestamp seconds since 1970 (UTC)."""
        value: exp.Expression = ref(self.source)
        type_ = exp.DataType.build("double") if self.type is None else self.type
        if type_.this in UNKNOWN:
            raise CompileError(
                f"the type '{type_.sql()}' of the column '{self.name}' is none whose values can be read as numbers. "
                "Correct it in `types`, or convert the column."
            )
        if self.is_moment:
            seconds = Seconds(this=value, zoned=type_.is_type(*WITH_ZONE))
            return Number(Named(self.name, seconds), Range(-LATEST, LATEST, null=True))
        if type_.is_type("boolean"):
            bit = exp.Cast(this=value, to=exp.DataType.build("int"))
            return Number(Named(self.name, _as_double(bit)), ONE_OF_TWO, whole=True)
        if type_.is_type(exp.DataType.Type.DECIMAL) and self.unbounded:
            return Number(Named(self.name, FromDecimal(this=value)), A_DOUBLE)
        if type_.is_type(*EXACT):
            return Number(Named(self.name, _as_double(value)), Range(-(2.0**127), 2.0**127, null=True))
        return Number(Named(self.name, NotNan(this=_as_double(value))), A_DOUBLE)

    @property
    def is_text(self) -> bool:
        """Say whether it is known to be a text."""
        return self.type is not None and self.type.is_type(*exp.DataType.TEXT_TYPES)

    @property
    def is_moment(self) -> bool:
        """Say whether it is known to be a date or timestamp."""
        return self.type is not None and self.type.is_type(*exp.DataType.TEMPORAL_TYPES)

    @cached_property
    def text(self) -> Text:
        """Read it as a text."""
        return Text(Named(self.name, exp.Cast(this=ref(self.source), to=exp.DataType.build("text"))))


def _as_double(value: exp.Expression) -> exp.Expression:
    return exp.Cast(this=value, to=exp.DataType.build("double"))


Column = Raw | Number | Text | Mapped


@dataclass(frozen=True)
class Table:
    """The columns that an estimator sees. Where a node of `refused` is true, scikit-learn would not take the row.

    `sparse`: scikit-learn holds them as a sparse matrix, for which some estimators have other rules.
    """

    columns: tuple[Column, ...]
    refused: tuple[Node, ...] = ()
    sparse: bool = False

    def refusing(self, more: Sequence[Node]) -> Table:
        """Give the table with more reasons to refuse a row."""
        return replace(self, refused=merged(self.refused, more))


def merged(*refused: Sequence[Node]) -> tuple[Node, ...]:
    """Join reasons to refuse a row, each once."""
    return tuple(dict.fromkeys(node for nodes in refused for node in nodes))


def number_of(column: Column) -> Number:
    """Read any column as a number."""
    if isinstance(column, Number):
        return column
    if isinstance(column, Text):
        # A transformed text can be read as a number only if it is one.
        return Number(Named("number", NotNan(this=_as_double(ref(column.node)))), A_DOUBLE)
    return column.number


def numbers(table: Table, missing: bool, as_float: bool = False) -> tuple[tuple[Number, ...], tuple[Node, ...]]:
    """Read the columns as numbers that an estimator checks first; give them and the reasons to refuse a row.

    Infinite numbers are refused, with `as_float` those too large for a float; without `missing` NULL is refused too.
    """
    found = tuple(number_of(column) for column in table.columns)
    refused: list[Node] = []
    for number in found:
        if as_float and not number.small:
            refused.append(number.is_no_float)
        elif number.infinite:
            refused.append(number.is_infinite)
        if number.missing and not missing:
            refused.append(number.is_missing)
    most = GREATEST_SINGLE if as_float else GREATEST
    return tuple(each.checked(missing, most) for each in found), merged(table.refused, refused)


def undefined(nodes: Sequence[Node], inputs: Sequence[Number] = ()) -> list[Node]:
    """Return the conditions under which nodes that are never NULL are NaN: such a row gets no prediction."""
    known = {each.node: each.range for each in inputs}
    return [Named("undefined", is_null(NotNan(this=ref(node)))) for node in nodes if range_of(ref(node), known).nan]


def equals(node: Node, code: int) -> exp.Expression:
    """Build the test whether a node has a whole number."""
    return equal(ref(node), whole(code))
