"""Weighted sums of columns. They may differ from BLAS's in the last digits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.sql.columns import Column, Floats, Mapped, Table, number_of
from mlbridge.compile.sql.expressions import Named, Node, added, double, multiply, ref


def weighted_sums(table: Table, weights: Any, constants: Any, hint: str = "score") -> tuple[Node, ...]:
    """Give one weighted sum of the columns per row of `weights`; indicators of one value become one term."""
    weights = weights.toarray() if hasattr(weights, "toarray") else weights
    weights = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    constants = np.broadcast_to(np.asarray(constants, dtype=np.float64).ravel(), len(weights))
    groups = _grouped(table.columns)
    return tuple(
        Named(hint, _sum(table.columns, groups, row, float(constant)))
        for row, constant in zip(weights, constants, strict=True)
    )


def _grouped(columns: Sequence[Column]) -> list[list[int]]:
    """Put the indices of columns that one value decides together."""
    groups: list[list[int]] = []
    known: dict[tuple[int, tuple[str | float, ...]], list[int]] = {}
    for index, column in enumerate(columns):
        if isinstance(column, Mapped):
            key = (id(column.source), column.keys)
            if key in known:
                known[key].append(index)
                continue
            known[key] = [index]
            groups.append(known[key])
        else:
            groups.append([index])
    return groups


def _sum(columns: Sequence[Column], groups: list[list[int]], weights: Floats, constant: float) -> exp.Expression:
    terms: list[exp.Expression] = []
    for indices in groups:
        column = columns[indices[0]]
        if isinstance(column, Mapped):
            tables = [columns[index].table * weights[index] for index in indices]  # type: ignore[union-attr]
            terms.append(ref(column.with_table(np.sum(tables, axis=0)).number.node))
        elif weights[indices[0]] != 0:
            terms.append(multiply(ref(number_of(column).node), double(weights[indices[0]])))
    return added([*terms, double(constant)])
