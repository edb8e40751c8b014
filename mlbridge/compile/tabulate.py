"""Columns that one value decides by a table: what a transformer does to them is asked of the transformer itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.columns import Column, Floats, Mapped, Number, Table, number_of
from mlbridge.compile.expressions import Named, ref


def framed(estimator: Any, columns: Sequence[Any]) -> Any:
    """Give columns to an estimator as it was fitted: in a frame with its names, else as an array."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        kind = np.float64 if all(np.asarray(each).dtype.kind == "f" for each in columns) else object
        return np.column_stack([np.asarray(each, dtype=kind) for each in columns])
    import pandas as pd

    return pd.concat([pd.Series(each, name=name) for name, each in zip(names, columns, strict=True)], axis=1)


def dense(transformed: Any) -> Floats:
    """Give what a transformer returned as an array of doubles."""
    return np.asarray(transformed.toarray() if hasattr(transformed, "toarray") else transformed, dtype=np.float64)


def mapped_through(estimator: Any, column: Mapped, place: int, of: int) -> Mapped | None:
    """Give a `Mapped` column as a one-to-one transformer leaves it; None where it takes not all of its values."""
    values = column.table
    columns = [values if each == place else np.ones(len(values)) for each in range(of)]
    try:
        return column.with_table(dense(estimator.transform(framed(estimator, columns)))[:, place])
    except ValueError:
        return None


Formula = Callable[[int, exp.Expression], exp.Expression]


def one_to_one(estimator: Any, table: Table, numbers: Sequence[Number], formula: Formula) -> tuple[Column, ...]:
    """Give each column as a transformer leaves it, by a formula of the column's place and value."""
    columns: list[Column] = []
    for place, (column, number) in enumerate(zip(table.columns, numbers, strict=True)):
        mapped = mapped_through(estimator, column, place, len(numbers)) if isinstance(column, Mapped) else None
        if mapped is None:
            node = Named(number.node.hint, formula(place, ref(number.node)))
            columns.append(Number(node, missing=number.missing))
        else:
            columns.append(mapped)
    return tuple(columns)


def read(table: Table) -> tuple[Number, ...]:
    """Read the columns as numbers, without any check."""
    return tuple(number_of(column) for column in table.columns)
