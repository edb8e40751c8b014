"""SimpleImputer and MissingIndicator: replacements of missing values, and columns that indicate them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.sql.columns import Column, Mapped, Raw, Table, Text, merged, number_of
from mlbridge.compile.sql.expressions import Named, Node, case, double, equal, is_null, ref
from mlbridge.compile.sql.number import computed
from mlbridge.compile.sql.ranges import GREATEST
from mlbridge.errors import CompileError


def simple_imputer(estimator: Any, table: Table) -> Table:
    """Translate SimpleImputer, with its indicator."""
    _check_missing(estimator)
    columns: list[Column] = []
    refused: list[Node] = []
    for column, statistic in zip(table.columns, estimator.statistics_, strict=True):
        empty = _is_nan(statistic)  # the column had no values in the fit
        filled, reasons = _filled(column, 0.0 if empty else statistic, estimator.missing_values)
        refused.extend(reasons)
        if not empty or estimator.keep_empty_features:
            columns.append(filled)
    if estimator.indicator_ is not None:
        columns.extend(_indicators(estimator.indicator_, table))
    return Table(tuple(columns), merged(table.refused, refused), table.sparse)


def missing_indicator(estimator: Any, table: Table) -> Table:
    """Translate MissingIndicator: 1 where the value is missing, else 0."""
    _check_missing(estimator)
    refused: list[Node] = [each for column in table.columns for each in _not_taken(column, estimator.missing_values)]
    if estimator.features == "missing-only" and estimator.error_on_new:
        expected = set(estimator.features_.tolist())
        refused += [_new(column, estimator) for index, column in enumerate(table.columns) if index not in expected]
    return Table(_indicators(estimator, table), merged(table.refused, refused))


def _not_taken(column: Column, missing: Any) -> list[Node]:
    """Give the conditions under which a number is refused: infinity, and NaN where it does not stand for missing."""
    if isinstance(column, Text) or (isinstance(column, Raw) and column.is_text):
        return []
    number = number_of(column)
    refused: list[Node] = [number.is_infinite] if number.infinite else []
    return refused + ([number.is_missing] if number.missing and not _is_nan(missing) else [])


def _new(column: Column, estimator: Any) -> Node:
    """Give the condition that something is missing where nothing was at the fit."""
    return Named("new", equal(ref(number_of(_indicator(column, estimator.missing_values)).node), double(1)))


def _check_missing(estimator: Any) -> None:
    missing = estimator.missing_values
    if not (_is_nan(missing) or isinstance(missing, (int, float))):
        name = type(estimator).__name__
        raise CompileError(f"{name}(missing_values={missing!r}): only NaN, None and numbers are covered.")


def _is_nan(value: Any) -> bool:
    return value is None or value != value


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
            return number.checked(missing=True, most=GREATEST), refused
        filled: exp.Expression = exp.Coalesce(this=value, expressions=[double(fill)])
    else:
        filled = case([(equal(value, double(missing)), double(fill))], ref(number.node))
        refused += [number.is_missing] if number.missing else []
    known = number.checked(missing=_is_nan(missing), most=GREATEST)
    return computed(number.node.hint, filled, [known]), refused


def _indicators(indicator: Any, table: Table) -> tuple[Column, ...]:
    return tuple(_indicator(table.columns[index], indicator.missing_values) for index in indicator.features_)


def _indicator(column: Column, missing: Any) -> Column:
    if isinstance(column, Mapped):
        table = column.table
        return column.with_table((np.isnan(table) if _is_nan(missing) else table == missing).astype(np.float64))
    node = column.node if isinstance(column, Text) else number_of(column).node
    condition = is_null(ref(node)) if _is_nan(missing) else equal(ref(node), double(missing))
    return computed(f"{node.hint}_missing", case([(condition, double(1))], double(0)), whole=True)
