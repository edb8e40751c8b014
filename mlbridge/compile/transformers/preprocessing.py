"""Scalers and other transformers that turn each number into another one; each formula rounds as scikit-learn's does."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.formulas.functions import FUNCTIONS, WITH_OPTIONS, clipped, expm1, function_of, log1p
from mlbridge.compile.formulas.lookup_tables import each_value, one_to_one, read
from mlbridge.compile.sql.columns import Table, merged, numbers
from mlbridge.compile.sql.expressions import (
    Named,
    Node,
    above,
    add,
    at_least,
    at_most,
    below,
    case,
    divide,
    double,
    multiply,
    negative,
    ref,
    subtract,
)
from mlbridge.compile.sql.number import Number, computed
from mlbridge.compile.sql.ranges import GREATEST
from mlbridge.errors import CompileError, listed

Values = Sequence[float]


def standard_scaler(estimator: Any, table: Table) -> Table:
    """Translate StandardScaler: (x - mean) / scale."""
    return _scaled(estimator, table, estimator.mean_ if estimator.with_mean else None, estimator.scale_)


def robust_scaler(estimator: Any, table: Table) -> Table:
    """Translate RobustScaler: (x - center) / scale."""
    return _scaled(estimator, table, estimator.center_, estimator.scale_)


def max_abs_scaler(estimator: Any, table: Table) -> Table:
    """Translate MaxAbsScaler: x / scale, with `clip` between -1 and 1."""
    return _scaled(estimator, table, None, estimator.scale_, (-1.0, 1.0) if estimator.clip else None)


def _scaled(
    estimator: Any, table: Table, center: Values | None, scale: Values | None, clip: tuple[float, float] | None = None
) -> Table:
    found, refused = numbers(table, missing=True)

    def formula(index: int, value: exp.Expression) -> exp.Expression:
        if center is not None:
            value = subtract(value, double(center[index]))
        if scale is not None and table.sparse:
            value = multiply(value, double(1.0 / scale[index]))  # as scikit-learn scales a sparse matrix
        elif scale is not None:
            value = divide(value, double(scale[index]))
        return value if clip is None else clipped(value, *clip)

    return Table(one_to_one(estimator, table, found, each_value(formula)), refused, table.sparse)


def min_max_scaler(estimator: Any, table: Table) -> Table:
    """Translate MinMaxScaler: x * scale + min, with `clip` within the range."""
    found, refused = numbers(table, missing=True)

    def formula(index: int, value: exp.Expression) -> exp.Expression:
        value = add(multiply(value, double(estimator.scale_[index])), double(estimator.min_[index]))
        return clipped(value, *map(float, estimator.feature_range)) if estimator.clip else value

    return Table(one_to_one(estimator, table, found, each_value(formula)), refused)


def binarizer(estimator: Any, table: Table) -> Table:
    """Translate Binarizer: 1 above the threshold, else 0."""
    found, refused = numbers(table, missing=False)

    def formula(_: int, value: exp.Expression) -> exp.Expression:
        return case([(above(value, double(estimator.threshold)), double(1))], double(0))

    return Table(one_to_one(estimator, table, found, each_value(formula)), refused, table.sparse)


def power_transformer(estimator: Any, table: Table) -> Table:
    """Translate PowerTransformer (scipy's boxcox and yeojohnson), and the scaler behind it, which refuses infinity."""
    found, refused = numbers(table, missing=True)
    power = _yeo_johnson if estimator.method == "yeo-johnson" else _box_cox
    scaler = estimator._scaler if estimator.standardize else None
    reasons: list[Node] = []
    if estimator.method == "box-cox":
        reasons = [Named("not_positive", at_most(ref(each.node), double(0))) for each in found]

    def formula(index: int, number: Number) -> Number:
        hint = number.node.hint
        raised = computed(hint, power(ref(number.node), float(estimator.lambdas_[index])), [number])
        if scaler is None:
            return raised
        if raised.infinite:
            reasons.append(raised.is_infinite)
            raised = raised.checked(missing=True, most=GREATEST)
        apart = subtract(ref(raised.node), double(scaler.mean_[index]))
        return computed(hint, divide(apart, double(scaler.scale_[index])), [raised])

    columns = one_to_one(estimator, table, found, formula)
    return Table(columns, merged(refused, reasons))


def _yeo_johnson(value: exp.Expression, power: float) -> exp.Expression:
    """Write formula 7 of Yeo and Johnson (Biometrika 87, 2000)."""
    high = _bent(log1p(value.copy()), power)
    low = negative(_bent(log1p(negative(value.copy())), 2 - power))
    return case([(at_least(value, double(0)), high), (below(value.copy(), double(0)), low)], None)


def _box_cox(value: exp.Expression, power: float) -> exp.Expression:
    """Write it for numbers above 0 only: of the others engines raise an error, even in a row that is refused."""
    logarithm = Named("logarithm", case([(above(value, double(0)), exp.Ln(this=value.copy()))], None))
    return _bent(ref(logarithm), power)


def _bent(logarithm: exp.Expression, power: float) -> exp.Expression:
    """Write (x ** power - 1) / power of a number's logarithm as scipy does, which keeps the digits of a small power."""
    if abs(power) < np.spacing(1.0):
        return logarithm
    return divide(expm1(multiply(double(power), logarithm)), double(power))


def function_transformer(estimator: Any, table: Table) -> Table:
    """Translate FunctionTransformer for the functions of a closed list; `validate` refuses what is no number."""
    function, options = estimator.func, dict(estimator.kw_args or {})
    if isinstance(function, functools.partial) and function.func.__name__ == "check_array":
        function = None  # the function with which HistGradientBoosting leaves columns unchanged
    found, refused = numbers(table, missing=False) if estimator.validate else (read(table), table.refused)
    if function is None:
        return Table(found if estimator.validate else table.columns, refused, table.sparse)
    formula = function_of(function, options)
    if formula is None:
        known = listed(f"numpy.{each.__name__}" for each in (*WITH_OPTIONS, *FUNCTIONS))
        name = getattr(function, "__qualname__", repr(function))
        raise CompileError(
            f"FunctionTransformer(func={name}, kw_args={estimator.kw_args}) is not covered; {known} are."
        )
    if table.sparse:
        raise CompileError(f"FunctionTransformer(func={function.__name__}) of a sparse matrix is not covered.")
    if function is np.asarray and not estimator.validate:
        return table
    return Table(one_to_one(estimator, table, found, each_value(lambda _, value: formula(value))), refused)
