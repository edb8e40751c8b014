"""Scalers and other transformers that turn each number into another one; each formula rounds as scikit-learn's does."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.columns import Table, merged, numbers
from mlbridge.compile.expressions import (
    Named,
    above,
    add,
    at_least,
    at_most,
    below,
    case,
    divide,
    double,
    equal,
    multiply,
    negative,
    ref,
    subtract,
)
from mlbridge.compile.links import raised
from mlbridge.compile.tabulate import one_to_one, read
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

    def formula(place: int, value: exp.Expression) -> exp.Expression:
        if center is not None:
            value = subtract(value, double(center[place]))
        if scale is not None and table.sparse:
            value = multiply(value, double(1.0 / scale[place]))  # as scikit-learn scales a sparse matrix
        elif scale is not None:
            value = divide(value, double(scale[place]))
        return value if clip is None else clipped(value, *clip)

    return Table(one_to_one(estimator, table, found, formula), refused, table.sparse)


def min_max_scaler(estimator: Any, table: Table) -> Table:
    """Translate MinMaxScaler: x * scale + min, with `clip` within the range."""
    found, refused = numbers(table, missing=True)

    def formula(place: int, value: exp.Expression) -> exp.Expression:
        value = add(multiply(value, double(estimator.scale_[place])), double(estimator.min_[place]))
        return clipped(value, *map(float, estimator.feature_range)) if estimator.clip else value

    return Table(one_to_one(estimator, table, found, formula), refused)


def clipped(value: exp.Expression, low: float, high: float) -> exp.Expression:
    """Keep a value within two ends; NULL stays NULL."""
    return case(
        [(below(value, double(low)), double(low)), (above(value.copy(), double(high)), double(high))], value.copy()
    )


def binarizer(estimator: Any, table: Table) -> Table:
    """Translate Binarizer: 1 above the threshold, else 0."""
    found, refused = numbers(table, missing=False)

    def formula(_: int, value: exp.Expression) -> exp.Expression:
        return case([(above(value, double(estimator.threshold)), double(1))], double(0))

    return Table(one_to_one(estimator, table, found, formula), refused, table.sparse)


def power_transformer(estimator: Any, table: Table) -> Table:
    """Translate PowerTransformer (scipy's boxcox and yeojohnson), and the scaler behind it."""
    found, refused = numbers(table, missing=True)
    power = _yeo_johnson if estimator.method == "yeo-johnson" else _box_cox
    scaler = estimator._scaler if estimator.standardize else None
    if estimator.method == "box-cox":
        refused = merged(refused, [Named("not_positive", at_most(ref(each.node), double(0))) for each in found])

    def formula(place: int, value: exp.Expression) -> exp.Expression:
        value = power(value, float(estimator.lambdas_[place]))
        if scaler is None:
            return value
        return divide(subtract(value, double(scaler.mean_[place])), double(scaler.scale_[place]))

    return Table(one_to_one(estimator, table, found, formula), refused)


def _yeo_johnson(value: exp.Expression, power: float) -> exp.Expression:
    """Write formula 7 of Yeo and Johnson (Biometrika 87, 2000)."""
    high = _box_cox(add(value.copy(), double(1)), power)
    low = negative(_box_cox(subtract(double(1), value.copy()), 2 - power))
    return case([(at_least(value, double(0)), high), (below(value.copy(), double(0)), low)], None)


def _box_cox(value: exp.Expression, power: float) -> exp.Expression:
    """Write (x ** power - 1) / power, and log(x) for the power 0."""
    if abs(power) < np.spacing(1.0):
        return exp.Ln(this=value)
    raised = exp.Pow(this=exp.Paren(this=value) if isinstance(value, exp.Binary) else value, expression=double(power))
    return divide(subtract(raised, double(1)), double(power))


def _asarray(value: exp.Expression) -> exp.Expression:
    return value


def _log1p(value: exp.Expression) -> exp.Expression:
    """Write log(1 + x) without losing the digits of a small x (Kahan): log(u) * x / (u - 1) with u = 1 + x."""
    more = add(double(1), value)
    less = subtract(more.copy(), double(1))
    kept = divide(multiply(exp.Ln(this=more), value.copy()), less)
    return case(
        [
            (equal(more.copy(), double(1)), value.copy()),
            (equal(less.copy(), value.copy()), _log(more.copy())),
            (above(value.copy(), double(-1)), kept),
        ],
        None,
    )


def _log(value: exp.Expression) -> exp.Expression:
    """Write log(x), -infinity of 0 and NULL of what is below; engines refuse these."""
    positive = (above(value, double(0)), exp.Ln(this=value.copy()))
    return case([positive, (equal(value.copy(), double(0)), double(-math.inf))], None)


def _sqrt(value: exp.Expression) -> exp.Expression:
    return case([(at_least(value, double(0)), exp.Sqrt(this=value.copy()))], None)


FUNCTIONS: Mapping[Callable[..., Any], Callable[[exp.Expression], exp.Expression]] = {
    np.asarray: _asarray,
    np.log1p: _log1p,
    np.log: _log,
    np.exp: raised,
    np.sqrt: _sqrt,
    np.abs: lambda value: exp.Abs(this=value),
    np.square: lambda value: multiply(value, value.copy()),
    np.negative: negative,
}


def function_transformer(estimator: Any, table: Table) -> Table:
    """Translate FunctionTransformer for the functions of a closed list."""
    function, options = estimator.func, dict(estimator.kw_args or {})
    if isinstance(function, functools.partial) and function.func.__name__ == "check_array":
        function = None  # HistGradientBoosting's own way to say: as they are
    if function is None:
        return table
    dtype = np.dtype(options.pop("dtype", np.float64)) if function is np.asarray else np.dtype(np.float64)
    if function not in FUNCTIONS or options or dtype != np.float64:
        known = listed(f"numpy.{each.__name__}" for each in FUNCTIONS)
        name = getattr(function, "__qualname__", repr(function))
        raise CompileError(
            f"FunctionTransformer(func={name}, kw_args={estimator.kw_args}) is not covered; {known} are."
        )
    if function is np.asarray:
        return table
    found = read(table)
    return Table(one_to_one(estimator, table, found, lambda _, value: FUNCTIONS[function](value)), table.refused)
