"""The inverse of a transformer of the target."""

from __future__ import annotations

from typing import Any

from sklearn import preprocessing as pp
from sqlglot import exp

from mlbridge.compile.formulas.functions import function_of
from mlbridge.compile.sql.expressions import Node, add, divide, double, multiply, ref, subtract
from mlbridge.compile.sql.number import Number, computed
from mlbridge.compile.sql.ranges import GREATEST
from mlbridge.errors import CompileError


def inverse_of(transformer: Any, index: int, number: Number) -> tuple[Node, list[Node]]:
    """Give the prediction of an output in the target's unit, and the reasons to refuse a row."""
    refused: list[Node] = []
    if not isinstance(transformer, pp.FunctionTransformer) or transformer.validate:
        refused += [number.is_infinite] if number.infinite else []
        refused += [number.is_missing] if number.missing else []
        number = number.checked(missing=False, most=GREATEST)
    found = computed("prediction", _back(transformer, index, ref(number.node)), [number])
    return found.node, [*refused, *([found.is_missing] if found.missing else [])]


def _back(transformer: Any, index: int, value: exp.Expression) -> exp.Expression:
    if isinstance(transformer, pp.FunctionTransformer):
        inverse = transformer.inverse_func
        formula = None if inverse is None else function_of(inverse, transformer.inv_kw_args or {})
        if inverse is not None and formula is None:
            name = getattr(inverse, "__name__", repr(inverse))
            raise CompileError(f"TransformedTargetRegressor(inverse_func={name}) is not covered.")
        return value if formula is None else formula(value)
    if isinstance(transformer, pp.MinMaxScaler) and not transformer.clip:
        apart = subtract(value, double(transformer.min_[index]))
        return divide(apart, double(transformer.scale_[index]))
    centers = {pp.StandardScaler: "mean_", pp.RobustScaler: "center_", pp.MaxAbsScaler: None}
    if type(transformer) not in centers or getattr(transformer, "clip", False):
        raise CompileError(f"TransformedTargetRegressor(transformer={type(transformer).__name__}) is not covered.")
    name = centers[type(transformer)]
    center = None if name is None else getattr(transformer, name)
    scaled = value if transformer.scale_ is None else multiply(value, double(transformer.scale_[index]))
    return scaled if center is None else add(scaled, double(center[index]))
