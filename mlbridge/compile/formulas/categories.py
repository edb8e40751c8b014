"""The categories of a column that an estimator was fitted on, as values that SQL can compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlbridge.compile.sql.columns import Column, Mapped, Raw, Text
from mlbridge.compile.sql.number import Number
from mlbridge.errors import CompileError

TEXTS, NUMBERS, MOMENTS = "texts", "numbers", "dates or timestamps"
# Above this a double no longer stands for a single whole number.
MOST_EXACT = 2**53


@dataclass(frozen=True)
class Categories:
    """Categories of one kind: `keys` are what SQL compares with, `values` the same as the estimator holds them.

    `missing` is what stands for NULL: the category that is missing, None or NaN, where there is one.
    """

    kind: str
    keys: tuple[str | float, ...]
    values: tuple[Any, ...]
    missing: Any

    def source(self, what: str, column: Raw | Number | Text) -> Number | Text:
        """Read a column as values of this kind; raises CompileError where it cannot be one."""
        if isinstance(column, Raw):
            if self.kind == MOMENTS and not column.is_moment:
                raise CompileError(
                    f"{what} are dates or timestamps. Say so in `types`: types={{{column.name!r}: 'timestamp'}}."
                )
            if self.kind == NUMBERS and column.is_moment:
                raise CompileError(f"{what} are numbers, and `types` says that the column is a {column.type}.")
            return column.text if self.kind == TEXTS else column.number
        if isinstance(column, Text) != (self.kind == TEXTS) or self.kind == MOMENTS:
            raise CompileError(f"{what} are {self.kind}, which the column is not any more.")
        return column

    def unseen(self) -> Any:
        """Give a value that is none of the categories."""
        if self.kind == MOMENTS:
            return max(map(pd.Timestamp, self.values), default=pd.Timestamp(0)) + pd.Timedelta(days=1)
        if self.kind == NUMBERS:
            return float(np.ceil(max((abs(float(each)) for each in self.values), default=0.0)) * 2 + 1)
        unseen = "unseen"
        while unseen in self.keys:
            unseen += "_"
        return unseen


def read_categories(what: str, found: Any) -> Categories:
    """Read categories, of which one may be missing; raises CompileError for those that SQL cannot tell apart.

    `what` begins the sentence of an error: the estimator, and of which column the categories are.
    """
    every = np.asarray(found)
    missing = [each for each in every if pd.isna(each)]
    known = [each for each in every if not pd.isna(each)]
    kind = _kind(what, every.dtype, known)
    key: Any = {TEXTS: str, NUMBERS: float, MOMENTS: _seconds}[kind]
    keys = tuple(key(each) for each in known)
    if len(set(keys)) < len(keys) or (kind == NUMBERS and any(map(_is_inexact, known))):
        raise CompileError(
            f"{what} are numbers that are not the same as doubles, such as float32 or whole numbers beyond 2^53. Fit "
            "it on doubles, or on texts."
        )
    return Categories(kind, keys, tuple(known), missing[0] if missing else np.nan)


def _kind(what: str, dtype: np.dtype[Any], known: Sequence[Any]) -> str:
    if dtype.kind == "M":
        return MOMENTS
    if dtype.kind in "biuf":
        return NUMBERS
    kinds: dict[str, Any] = {
        TEXTS: str,
        NUMBERS: (bool, int, float, np.bool_, np.number),
        MOMENTS: (pd.Timestamp, np.datetime64),
    }
    for kind, types in kinds.items():
        if dtype.kind in "OUT" and all(isinstance(each, types) for each in known):
            return kind
    raise CompileError(f"{what} are neither all texts nor all numbers: {list(known[:3])}. Make them one kind before.")


def _seconds(moment: pd.Timestamp | np.datetime64) -> float:
    """Give seconds since 1970 as engines do, from microseconds."""
    return float(pd.Timestamp(moment).as_unit("us").to_datetime64().astype(np.int64) / 1e6)


def _is_inexact(number: Any) -> bool:
    if isinstance(number, (int, np.integer)):
        return abs(int(number)) > MOST_EXACT
    # The shortest digits of a float of 32 bits are mostly those of another double.
    return isinstance(number, (np.float32, np.float16)) and float(str(number)) != float(number)


def coded(what: str, column: Column, categories: Sequence[Any], other: float) -> Mapped:
    """Number the categories of a column from 0, NULL is NaN; `other` stands for what is none of them."""
    if not isinstance(column, Raw):
        raise CompileError(f"{what}: a column of pandas categories is not a column of the relation. Encode it before.")
    what = f"{what}: the categories of '{column.name}'"
    known = read_categories(what, np.array(list(categories), dtype=object))
    source = known.source(what, column).node
    codes = np.arange(len(known.keys), dtype=np.float64)
    return Mapped(column.name, source, known.keys, codes, np.nan, other)
