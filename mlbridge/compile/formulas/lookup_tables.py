"""Columns that are looked up by one value: the fitted transformer itself is applied to the table of their values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.sql.columns import Column, Floats, Mapped, Table, number_of
from mlbridge.compile.sql.expressions import ref
from mlbridge.compile.sql.number import Number, computed


def framed(estimator: Any, columns: Sequence[Any]) -> Any:
    """Give columns to an estimator as it was fitted: in a frame with its names, else as an array."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        kind = np.float64 if all(np.asarray(each).dtype.kind == "f" for each in columns) else object
        return np.column_stack([np.asarray(each, dtype=kind) for each in columns])
    import pandas as pd

    series = (
        pd.Series(each, name=name, dtype=object if np.asarray(each).dtype == object else None)
        for name, each in zip(names, columns, strict=True)
    )
    return pd.concat(list(series), axis=1)


def dense(transformed: Any) -> Floats:
    """Give what a transformer returned as an array of doubles."""
    return np.asarray(transformed.toarray() if hasattr(transformed, "toarray") else transformed, dtype=np.float64)


def mapped_through(estimator: Any, column: Mapped, index: int, of: int) -> Mapped | None:
    """Return a `Mapped` column as a one-to-one transformer leaves it; None if it rejects one of the values."""
    values = column.table
    columns = [values if each == index else np.ones(len(values)) for each in range(of)]
    try:
        return column.with_table(dense(estimator.transform(framed(estimator, columns)))[:, index])
    except ValueError:
        return None


Formula = Callable[[int, Number], Number]


def each_value(formula: Callable[[int, exp.Expression], exp.Expression]) -> Formula:
    """Turn a formula of index and value into a formula of index and number."""
    return lambda index, number: computed(number.node.hint, formula(index, ref(number.node)), [number])


def one_to_one(estimator: Any, table: Table, numbers: Sequence[Number], formula: Formula) -> tuple[Column, ...]:
    """Give each column as a transformer leaves it, by a formula of the column's index and number."""
    columns: list[Column] = []
    for index, (column, number) in enumerate(zip(table.columns, numbers, strict=True)):
        mapped = mapped_through(estimator, column, index, len(numbers)) if isinstance(column, Mapped) else None
        if mapped is None:
            columns.append(formula(index, number))
        else:
            columns.append(mapped)
    return tuple(columns)


def read(table: Table) -> tuple[Number, ...]:
    """Read the columns as numbers, without any check."""
    return tuple(number_of(column) for column in table.columns)
