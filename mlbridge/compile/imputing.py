"""SimpleImputer and MissingIndicator: what stands for a missing value, and columns that say where one was."""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.columns import FLOAT_OVERFLOW, Column, Mapped, Number, Raw, Table, Text, merged, number_of
from mlbridge.compile.expressions import Named, Node, case, double, equal, is_null, ref
from mlbridge.errors import CompileError


def simple_imputer(estimator: Any, table: Table) -> Table:
    """Translate SimpleImputer, with its indicator."""
    _check_missing(estimator)
    columns: list[Column] = []
    refused: list[Node] = []
    for column, statistic in zip(table.columns, estimator.statistics_, strict=True):
        if _is_nan(statistic) and estimator.strategy != "constant" and not estimator.keep_empty_features:
            continue  # nothing was known of it: scikit-learn drops it
        filled, reasons = _filled(column, _fill(estimator, statistic), estimator.missing_values)
        columns.append(filled)
        refused.extend(reasons)
    if estimator.indicator_ is not None:
        columns.extend(_indicators(estimator.indicator_, table))
    return Table(tuple(columns), merged(table.refused, refused), table.sparse)


def missing_indicator(estimator: Any, table: Table) -> Table:
    """Translate MissingIndicator: 1 where the value is missing, else 0."""
    _check_missing(estimator)
    refused = [
        column.number.is_infinite for column in table.columns if isinstance(column, Raw) and column.number.infinite
    ]
    return Table(_indicators(estimator, table), merged(table.refused, refused))


def _check_missing(estimator: Any) -> None:
    missing = estimator.missing_values
    if not (_is_nan(missing) or isinstance(missing, (int, float))):
        name = type(estimator).__name__
        raise CompileError(f"{name}(missing_values={missing!r}): only NaN, None and numbers are covered.")


def _is_nan(value: Any) -> bool:
    return value is None or value != value


def _fill(estimator: Any, statistic: Any) -> Any:
    return 0.0 if _is_nan(statistic) and estimator.keep_empty_features else statistic


def _filled(column: Column, fill: Any, missing: Any) -> tuple[Column, list[Node]]:
    if isinstance(fill, str):
        if not isinstance(column, (Raw, Text)) or not _is_nan(missing):
            raise CompileError(f"SimpleImputer would put the text {fill!r} into a column of numbers.")
        node = (column.text if isinstance(column, Raw) else column).node
        text = exp.Coalesce(this=ref(node), expressions=[exp.Literal.string(fill)])
        return Text(Named(node.hint, text)), []
    fill = float(fill)
    if isinstance(column, Mapped):
        table = column.table
        if _is_nan(missing):
            return column.with_table(np.where(np.isnan(table), fill, table)), []
        if not np.isnan(table).any():
            return column.with_table(np.where(table == missing, fill, table)), []
    number = number_of(column)
    refused: list[Node] = [number.is_infinite] if number.infinite else []
    value = ref(number.node)
    if _is_nan(missing):
        if not number.missing:
            return number, refused
        filled: exp.Expression = exp.Coalesce(this=value, expressions=[double(fill)])
    else:
        filled = case([(equal(value, double(missing)), double(fill))], ref(number.node))
        refused += [number.is_missing] if number.missing else []
    small = number.small and abs(fill) < FLOAT_OVERFLOW
    return Number(Named(number.node.hint, filled), missing=False, small=small), refused


def _indicators(indicator: Any, table: Table) -> tuple[Column, ...]:
    return tuple(_indicator(table.columns[place], indicator.missing_values) for place in indicator.features_)


def _indicator(column: Column, missing: Any) -> Column:
    if isinstance(column, Mapped):
        table = column.table
        return column.with_table((np.isnan(table) if _is_nan(missing) else table == missing).astype(np.float64))
    node = column.node if isinstance(column, Text) else number_of(column).node
    condition = is_null(ref(node)) if _is_nan(missing) else equal(ref(node), double(missing))
    flag = Named(f"{node.hint}_missing", case([(condition, double(1))], double(0)))
    return Number(flag, missing=False, small=True, whole=True)
