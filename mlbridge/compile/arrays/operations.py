"""What each part of an expression does to arrays.

A number is an array of doubles (or floats of 32 bits, where SQL has these), or one for all rows; NULL is NaN, as on an
engine that has no NaN. Whole numbers
that are read as bits are arrays of integers. A text is a list with None for NULL. A condition is two questions, whether
it is true and whether it is false, because NULL is neither. Every branch of a CASE is computed, and what is not chosen
may overflow. exp, ln and pow are the C library's, as in an engine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.sql.expressions import Double, Lookup, Named, Node, NotNan, Pick, Ref, Source
from mlbridge.errors import CompileError

# The value of each node so far, by the node's place.
Values = list[Any]
Compute = Callable[[Values], Any]
NAN = math.nan


def number(part: exp.Expr, places: Mapping[Node, int]) -> Compute:
    """Return the function that computes a number; raises CompileError for a part that no array can be made of."""
    rule = NUMBERS.get(type(part))
    if rule is None:
        if isinstance(part, (exp.Predicate, exp.Connector, exp.Not, exp.Boolean)):
            return _as_number(part, places)
        raise CompileError(f"`{type(part).__name__}` is nothing that numpy computes here.")
    return rule(part, places)


def _as_number(part: exp.Expr, places: Mapping[Node, int]) -> Compute:
    yes, no = holds(part, places, True), holds(part, places, False)
    return lambda values: np.where(yes(values), 1.0, np.where(no(values), 0.0, NAN))


def holds(part: exp.Expr, places: Mapping[Node, int], value: bool) -> Compute:
    """Return the function that says in which rows a condition is true, or with `value` False in which it is false."""
    if isinstance(part, exp.Paren):
        return holds(part.this, places, value)
    if isinstance(part, exp.Not):
        return holds(part.this, places, not value)
    if isinstance(part, exp.Boolean):
        return lambda values: bool(part.this) == value
    if isinstance(part, (exp.And, exp.Or)):
        return _connected(part, places, value)
    if isinstance(part, exp.Is):
        return _is_null(part, places, value)
    if isinstance(part, (Ref, exp.Case)):
        return _equals_number(number(part, places), 1.0 if value else 0.0)
    return _compared(part, places, value)


def _compared(part: exp.Expr, places: Mapping[Node, int], value: bool) -> Compute:
    operation = COMPARISONS.get(type(part))
    if operation is None:
        raise CompileError(f"`{type(part).__name__}` is no condition that numpy computes here.")
    left, right = number(part.this, places), number(part.args["expression"], places)
    if value:
        return lambda values: operation(left(values), right(values))
    opposite = COMPARISONS[OPPOSITES[type(part)]]
    return lambda values: opposite(left(values), right(values))


def _equals_number(compute: Compute, wanted: float) -> Compute:
    return lambda values: compute(values) == wanted


def _of_known(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    return operation(left, right) & ~np.isnan(left) & ~np.isnan(right)


def _connected(part: exp.Expr, places: Mapping[Node, int], value: bool) -> Compute:
    parts = [holds(each, places, value) for each in _chain(part, type(part))]
    every = isinstance(part, exp.And) == value

    def compute(values: Values) -> Any:
        found = parts[0](values)
        for each in parts[1:]:
            found = found & each(values) if every else found | each(values)
        return found

    return compute


def _chain(part: exp.Expr, kind: type) -> list[exp.Expr]:
    """Return the operands of a chain of one operator, in their order; it may be longer than Python can recurse."""
    operands: list[exp.Expr] = []
    while isinstance(part, kind):
        operands.append(part.args["expression"])
        part = part.this
    return [part, *reversed(operands)]


def _is_null(part: exp.Expr, places: Mapping[Node, int], value: bool) -> Compute:
    asked = part.this
    node = asked.this if isinstance(asked, Ref) else None
    if node is not None and is_text(node):
        place = places[node]
        return lambda values: np.array([(each is None) == value for each in values[place]])
    compute = number(asked, places)
    if value:
        return lambda values: np.isnan(compute(values))
    return lambda values: ~np.isnan(compute(values))


def is_text(node: Node) -> bool:
    """Return whether a node is the text of a column; a column itself is whatever it is given as."""
    if not isinstance(node, Named) or not isinstance(node.expression, exp.Cast):
        return False
    return bool(node.expression.to.is_type("text"))


def text(node: Named, places: Mapping[Node, int]) -> Compute:
    """Return the function that computes a text, which is a column as it is."""
    asked = node.expression.this
    if not isinstance(asked, Ref) or not isinstance(asked.this, Source):
        raise CompileError("a text that is computed from something else is nothing that numpy computes here.")
    place = places[asked.this]

    def compute(values: Values) -> Any:
        found = values[place]
        if isinstance(found, np.ndarray):
            raise CompileError(f"the column '{asked.this.hint}' is read as a text, and is a number.")
        return found

    return compute


def looked_up(node: Lookup, place: int) -> Compute:
    """Return the function that looks a number up by one value; `place` is that of the value."""
    kind = np.int64 if node.integer else np.float64
    last = len(node.entries)
    numbers = [
        NAN if each is None else each for each in (*(value for _, value in node.entries), node.other, node.missing)
    ]
    table = np.array([int(each) if node.integer else each for each in numbers], dtype=kind)
    indices: dict[Any, int] = {key: index for index, (key, _) in enumerate(node.entries)}

    def compute(values: Values) -> Any:
        found = values[place]
        if isinstance(found, list):
            return table[[last + 1 if each is None else indices.get(each, last) for each in found]]
        keys = np.atleast_1d(found).tolist()
        return table[[last + 1 if math.isnan(each) else indices.get(each, last) for each in keys]]

    return compute


def _reference(part: exp.Expr, places: Mapping[Node, int]) -> Compute:
    place = places[part.this]
    return lambda values: values[place]


def _constant(value: float) -> Compute:
    return lambda values: value


def _literal(part: exp.Expr, places: Mapping[Node, int]) -> Compute:
    if part.is_string:
        raise CompileError("a text is no number.")
    return _constant(float(part.this))


def _case(part: exp.Expr, places: Mapping[Node, int]) -> Compute:
    branches = [
        (holds(each.this, places, True), number(each.args["true"], places)) for each in reversed(part.args["ifs"])
    ]
    default = part.args.get("default")
    other = _constant(NAN) if default is None else number(default, places)

    def compute(values: Values) -> Any:
        found = other(values)
        for test, then in branches:
            found = np.where(test(values), then(values), found)
        return found

    return compute


def _added(part: exp.Expr, places: Mapping[Node, int]) -> Compute:
    """Add the terms of a chain one after the other, from the left, as the tree of the expression says."""
    first, *rest = [number(each, places) for each in _chain(part, exp.Add)]

    def compute(values: Values) -> Any:
        found = first(values)
        for each in rest:
            found = found + each(values)
        return found

    return compute


def _of_two(operation: Callable[[Any, Any], Any]) -> Rule:
    def rule(part: exp.Expr, places: Mapping[Node, int]) -> Compute:
        left, right = number(part.this, places), number(part.args["expression"], places)
        return lambda values: operation(left(values), right(values))

    return rule


def _of_one(operation: Callable[[Any], Any]) -> Rule:
    def rule(part: exp.Expr, places: Mapping[Node, int]) -> Compute:
        inner = number(part.this, places)
        return lambda values: operation(inner(values))

    return rule


def _of_many(operation: Callable[[Any, Any], Any]) -> Rule:
    def rule(part: exp.Expr, places: Mapping[Node, int]) -> Compute:
        every = [number(each, places) for each in (part.this, *part.expressions)]

        def compute(values: Values) -> Any:
            found = every[0](values)
            for each in every[1:]:
                found = operation(found, each(values))
            return found

        return compute

    return rule


def _by_element(function: Callable[..., float]) -> Callable[..., Any]:
    """Apply a function of the C library to each element: numpy has its own exp, whose last bit may be another."""

    def one(*arguments: float) -> float:
        if any(map(math.isnan, arguments)):
            return NAN
        try:
            return function(*arguments)
        except OverflowError:
            return math.inf
        except ValueError:
            return NAN

    def every(*arguments: Any) -> Any:
        arrays = arguments if len(arguments) == 1 else np.broadcast_arrays(*arguments)
        lists = [np.ravel(each).tolist() for each in arrays]
        return np.array([one(*each) for each in zip(*lists, strict=True)]).reshape(np.shape(arrays[0]))

    return every


def _logarithm(value: float) -> float:
    return -math.inf if value == 0 else math.log(value)


def _cast(part: exp.Expr, places: Mapping[Node, int]) -> Compute:
    inner, to = number(part.this, places), part.args["to"]
    if to.is_type("float"):
        return lambda values: np.asarray(inner(values), dtype=np.float32)
    if not to.is_type("double"):
        raise CompileError(f"a cast to `{to.sql()}` is nothing that numpy computes here.")
    return lambda values: np.asarray(inner(values), dtype=np.float64)


def _picked(part: exp.Expr, places: Mapping[Node, int]) -> Compute:
    index, choices = number(part.this, places), [number(each, places) for each in part.expressions]
    table = np.array([NAN, *(choice([]) for choice in choices)])
    return lambda values: table[np.nan_to_num(index(values)).astype(np.int64)]


def _common_bits(part: exp.Expr, places: Mapping[Node, int]) -> Compute:
    inner, mask = number(part.this, places), int(part.args["expression"].this)
    return lambda values: inner(values) & mask


def _coalesced(left: Any, right: Any) -> Any:
    return np.where(np.isnan(left), right, left)


Rule = Callable[[exp.Expr, Mapping[Node, int]], Compute]
COMPARISONS: Mapping[type, Callable[[Any, Any], Any]] = {
    exp.LT: np.less,
    exp.LTE: np.less_equal,
    exp.GT: np.greater,
    exp.GTE: np.greater_equal,
    exp.EQ: np.equal,
    exp.NEQ: lambda left, right: _of_known(np.not_equal, left, right),
}
OPPOSITES: Mapping[type, type] = {
    exp.LT: exp.GTE,
    exp.LTE: exp.GT,
    exp.GT: exp.LTE,
    exp.GTE: exp.LT,
    exp.EQ: exp.NEQ,
    exp.NEQ: exp.EQ,
}
NUMBERS: Mapping[type, Rule] = {
    Ref: _reference,
    Double: lambda part, places: _constant(float(part.this)),
    exp.Literal: _literal,
    exp.Null: lambda part, places: _constant(NAN),
    exp.Paren: lambda part, places: number(part.this, places),
    NotNan: lambda part, places: number(part.this, places),  # NULL and NaN are one
    exp.Cast: _cast,
    exp.Case: _case,
    exp.Coalesce: _of_many(_coalesced),
    # NULL is passed over.
    exp.Greatest: _of_many(np.fmax),
    exp.Least: _of_many(np.fmin),
    Pick: _picked,
    exp.BitwiseAnd: _common_bits,
    exp.Add: _added,
    exp.Sub: _of_two(np.subtract),
    exp.Mul: _of_two(np.multiply),
    exp.Div: _of_two(np.divide),
    exp.Neg: _of_one(np.negative),
    exp.Abs: _of_one(np.abs),
    exp.Sqrt: _of_one(np.sqrt),
    exp.Exp: _of_one(_by_element(math.exp)),
    exp.Ln: _of_one(_by_element(_logarithm)),
    exp.Pow: _of_two(_by_element(math.pow)),
}


def references(part: exp.Expr) -> Sequence[Node]:
    """Return the nodes that an expression refers to."""
    return [each.this for each in part.find_all(Ref)]
