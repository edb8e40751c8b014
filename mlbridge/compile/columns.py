"""The columns that flow through a pipeline, and what a predictor makes of them.

`Raw` is a column of the relation whose kind nobody has asked for yet; `Number` is a double that is never NaN: NULL is
what scikit-learn sees as NaN; `Text` is a text or NULL; `Mapped` is a number that one value decides by a finite table,
such as a code, an indicator or a target's mean. What is done to a `Mapped` column is done to its table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.expressions import (
    Looked,
    Named,
    Node,
    NotNan,
    Seconds,
    Source,
    above,
    at_least,
    double,
    equal,
    is_null,
    ref,
    whole,
)

Floats = np.ndarray[Any, np.dtype[np.float64]]
GREATEST = float(np.finfo(np.float64).max)
# Types that hold neither NaN nor infinity.
EXACT = (*exp.DataType.INTEGER_TYPES, exp.DataType.Type.DECIMAL)
WITH_ZONE = (exp.DataType.Type.TIMESTAMPTZ, exp.DataType.Type.TIMESTAMPLTZ)
# From here on a double becomes infinite as a float: half a step beyond the greatest one.
FLOAT_OVERFLOW = float(2.0**128 - 2.0**103)


@dataclass(frozen=True, eq=False)
class Number:
    """A number; `missing`: may be NULL; `infinite`: may be so.

    `small`: is none that a float cannot hold; `whole`: a small whole number, exact as a float.
    """

    node: Node
    missing: bool = True
    infinite: bool = False
    small: bool = False
    whole: bool = False

    @cached_property
    def is_infinite(self) -> Named:
        """Give the condition under which scikit-learn refuses the row: the number is infinite."""
        return Named("infinite", above(exp.Abs(this=ref(self.node)), double(GREATEST)))

    @cached_property
    def is_no_float(self) -> Named:
        """Give the condition under which scikit-learn's trees refuse the row: too large for a float."""
        return Named("too_large", at_least(exp.Abs(this=ref(self.node)), double(FLOAT_OVERFLOW)))

    @cached_property
    def is_missing(self) -> Named:
        """Give the condition under which an estimator without missing values refuses the row."""
        return Named("missing", is_null(ref(self.node)))


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
        node = Looked(self.hint, self.source, entries, missing, other)
        integral = all(each is None or (each == int(each) and abs(each) < 2**24) for each in optional)
        small = all(each is None or abs(each) < FLOAT_OVERFLOW for each in optional)
        return Number(node, missing=None in optional, small=small, whole=integral)

    def same_source(self, other: Mapped) -> bool:
        """Say whether the same value decides both, by the same keys."""
        return self.source is other.source and self.keys == other.keys


@dataclass(frozen=True, eq=False)
class Raw:
    """A column of the relation; `type` is its SQL type where it is known to need a conversion."""

    name: str
    type: exp.DataType | None = None

    @cached_property
    def source(self) -> Source:
        """Give the node of the column as it is."""
        return Source(self.name)

    @cached_property
    def number(self) -> Number:
        """Read it as a number: NaN is NULL, a boolean 0 or 1, a date or timestamp seconds since 1970 (UTC)."""
        value: exp.Expression = ref(self.source)
        if self.type is not None and self.type.is_type(*exp.DataType.TEMPORAL_TYPES):
            seconds = Seconds(this=value, zoned=self.type.is_type(*WITH_ZONE))
            return Number(Named(self.name, seconds), small=True)
        if self.type is not None and self.type.is_type("boolean"):
            bit = exp.Cast(this=value, to=exp.DataType.build("int"))
            return Number(Named(self.name, _as_double(bit)), small=True, whole=True)
        if self.type is not None and self.type.is_type(*EXACT):
            return Number(Named(self.name, _as_double(value)), small=True)
        return Number(Named(self.name, NotNan(this=_as_double(value))), infinite=True)

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


@dataclass(frozen=True)
class Regression:
    """What a regressor says: a number per output."""

    values: tuple[Node, ...]
    refused: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Classification:
    """What a classifier says. A row is of the first class whose node of `wins` is true, else of the last one.

    `decisions` are its decision function's (one number for two classes); a classifier has these, or probabilities,
    or both.
    """

    classes: tuple[Any, ...]
    wins: tuple[Node, ...]
    probabilities: tuple[Node, ...] = ()
    decisions: tuple[Node, ...] = ()
    refused: tuple[Node, ...] = field(default=())


@dataclass(frozen=True)
class Several:
    """What an estimator with several outputs says, one by one."""

    outcomes: tuple[Classification, ...]


Outcome = Regression | Classification | Several


def merged(*refused: Sequence[Node]) -> tuple[Node, ...]:
    """Join reasons to refuse a row, each once."""
    return tuple(dict.fromkeys(node for nodes in refused for node in nodes))


def number_of(column: Column) -> Number:
    """Read any column as a number."""
    if isinstance(column, Number):
        return column
    if isinstance(column, Text):
        # A text that has been worked on can only be read as a number where it is one.
        return Number(Named("number", NotNan(this=_as_double(ref(column.node)))), infinite=True)
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
    return found, merged(table.refused, refused)


def equals(node: Node, code: int) -> exp.Expression:
    """Build the test whether a node has a whole number."""
    return equal(ref(node), whole(code))
