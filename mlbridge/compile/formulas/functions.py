"""Functions of numpy as SQL: the same numbers, -infinity, and NULL for NaN, where the engine would raise an error."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.formulas.links import GREATEST_EXPONENT, raised
from mlbridge.compile.sql.expressions import (
    Named,
    Ref,
    above,
    add,
    at_least,
    below,
    case,
    divide,
    double,
    equal,
    is_null,
    multiply,
    negative,
    ref,
    subtract,
)
from mlbridge.compile.sql.ranges import GREATEST

Function = Callable[[exp.Expression], exp.Expression]


def clipped(value: exp.Expression, low: float | None, high: float | None) -> exp.Expression:
    """Keep a value within two ends, of which None is open; NULL stays NULL."""
    ends = []
    if low is not None:
        ends.append((below(value.copy(), double(low)), double(low)))
    if high is not None:
        ends.append((above(value.copy(), double(high)), double(high)))
    return case(ends, value)


def _log(value: exp.Expression, base: float = 1.0) -> exp.Expression:
    """Write log(x) by the logarithm of the base; engines refuse 0 and what is below."""
    logarithm: exp.Expression = exp.Ln(this=value)
    if base != 1:
        logarithm = divide(logarithm, double(base))
    positive = (above(value.copy(), double(0)), logarithm)
    return case([positive, (equal(value.copy(), double(0)), double(-math.inf))], None)


def log1p(value: exp.Expression) -> exp.Expression:
    """Write log(1 + x) without losing the digits of a small x (Kahan): log(u) * x / (u - 1) with u = 1 + x."""
    here = _once(value)
    more = Named("more", add(double(1), here()))
    less = Named("less", subtract(ref(more), double(1)))
    kept = divide(multiply(exp.Ln(this=ref(more)), here()), ref(less))
    return case(
        [
            (equal(ref(more), double(1)), here()),
            (equal(ref(less), here()), _log(ref(more))),
            (above(here(), double(-1)), kept),
        ],
        None,
    )


def expm1(value: exp.Expression) -> exp.Expression:
    """Write exp(x) - 1 without losing the digits of a small x (Kahan): (u - 1) / log(u) * x with u = exp(x)."""
    here = _once(value)
    power = Named("power", raised(here()))  # it is a column, so that it must not fail in any row
    # Divided first: the product would be too large for a double before the result is.
    kept = multiply(divide(subtract(ref(power), double(1)), exp.Ln(this=ref(power))), here())
    return case(
        [
            (above(here(), double(GREATEST_EXPONENT)), double(math.inf)),
            (below(here(), double(-40)), double(-1)),
            (equal(ref(power), double(1)), here()),
        ],
        kept,
    )


def _once(value: exp.Expression) -> Callable[[], exp.Expression]:
    """Return a function that refers to a value, so that it is computed once however often it is used."""
    node = value.this if isinstance(value, Ref) else Named("value", value)
    return lambda: ref(node)


def hyperbolic_tangent(value: exp.Expression) -> exp.Expression:
    """Write tanh(x) as t / (t + 2) with t = exp(2 x) - 1, which keeps the digits of a small x; 1 and -1 far away."""
    here = _once(value)
    grown = Named("grown", expm1(multiply(double(2), here())))
    ends = [(above(here(), double(20)), double(1)), (below(here(), double(-20)), double(-1))]
    return case(ends, divide(ref(grown), exp.Paren(this=add(ref(grown), double(2)))))


def _sqrt(value: exp.Expression) -> exp.Expression:
    return case([(at_least(value, double(0)), exp.Sqrt(this=value.copy()))], None)


FUNCTIONS: Mapping[Callable[..., Any], Function] = {
    np.log1p: log1p,
    np.log: _log,
    np.log2: lambda value: _log(value, math.log(2)),
    np.log10: lambda value: _log(value, math.log(10)),
    np.exp: raised,
    np.expm1: expm1,
    np.sqrt: _sqrt,
    np.abs: lambda value: exp.Abs(this=value),
    np.square: lambda value: multiply(value, value.copy()),
    np.negative: negative,
}


def _asarray(options: dict[str, Any]) -> Function | None:
    dtype = options.pop("dtype", np.float64)
    return (lambda value: value) if np.dtype(dtype) == np.float64 else None


def _clip(options: dict[str, Any]) -> Function:
    low, high = (options.pop(name, options.pop(f"a_{name}", None)) for name in ("min", "max"))
    return lambda value: clipped(value, low, high)


def _nan_to_num(options: dict[str, Any]) -> Function:
    options.pop("copy", None)
    missing, high, low = (options.pop(name, None) for name in ("nan", "posinf", "neginf"))
    ends = GREATEST if high is None else high, -GREATEST if low is None else low
    return lambda value: case(
        [
            (is_null(value), double(missing or 0.0)),
            (above(value.copy(), double(GREATEST)), double(ends[0])),
            (below(value.copy(), double(-GREATEST)), double(ends[1])),
        ],
        value.copy(),
    )


# Those that take arguments.
WITH_OPTIONS: Mapping[Callable[..., Any], Callable[[dict[str, Any]], Function | None]] = {
    np.asarray: _asarray,
    np.clip: _clip,
    np.nan_to_num: _nan_to_num,
}


def function_of(called: Callable[..., Any], options: Mapping[str, Any]) -> Function | None:
    """Give numpy's function with those arguments as SQL; None where one of the two is not covered."""
    left = dict(options)
    found = WITH_OPTIONS[called](left) if called in WITH_OPTIONS else FUNCTIONS.get(called)
    return None if left else found
