"""The range of values of an expression, computed from the ranges of its parts by interval arithmetic.

Rounding is monotone, so the ends of an interval, computed in doubles, bound every double that the engine computes.
Where a bound would need more than its parts' bounds, it is wider than necessary, never narrower.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
from sqlglot import exp

from mlbridge.compile.sql.expressions import Double, Lookup, Named, Node, NotNan, Pick, Ref
from mlbridge.compile.sql.ranges import ANYTHING, NOTHING, ONE_OF_TWO, Range, of_values

Known = Mapping[Node, Range]


def range_of(expression: exp.Expression, known: Known) -> Range:
    """Give the range of an expression; `known` are those of nodes about which more is known than their expression says.

    A node without either can have any value.
    """
    found = dict(known)
    waiting = [each.this for each in expression.find_all(Ref)]
    while waiting:
        node = waiting[-1]
        stated = node in found or node.within is not None or not isinstance(node, Named)
        below = [] if stated else node.expression.find_all(Ref)
        unknown = [each.this for each in below if each.this not in found]
        if unknown:
            waiting.extend(unknown)
            continue
        waiting.pop()
        if node not in found:
            found[node] = _of_node(node, found)
    return _of(expression, found)


def _of_node(node: Node, known: Known) -> Range:
    if node.within is not None:
        return Range(*node.within)
    if isinstance(node, Named):
        return _of(node.expression, known)
    if isinstance(node, Lookup):
        return of_values([node.missing, node.other, *(value for _, value in node.entries)])
    return ANYTHING


def _of(expression: exp.Expr, known: Known) -> Range:
    if isinstance(expression, Ref):
        return known.get(expression.this, ANYTHING)
    if isinstance(expression, (exp.Predicate, exp.Connector, exp.Not, exp.Boolean)):
        return ONE_OF_TWO
    rule = RULES.get(type(expression))
    return ANYTHING if rule is None else rule(expression, known)


def _either(ranges: Iterable[Range]) -> Range:
    every = list(ranges)
    return Range(
        min(each.low for each in every),
        max(each.high for each in every),
        any(each.null for each in every),
        any(each.nan for each in every),
    )


def _case(expression: exp.Expr, known: Known) -> Range:
    """Take each branch with what its condition, and that the ones before were not true, say of a node."""
    ranges, left = [], known
    for each in expression.args["ifs"]:
        inside, left = _parted(each.this, left)
        ranges.append(_of(each.args["true"], inside))
    default = expression.args.get("default")
    return _either([*ranges, NOTHING if default is None else _of(default, left)])


def _parted(condition: exp.Expr, known: Known) -> tuple[Known, Known]:
    """Give what is known where a comparison of a node with a number is true, and where it is false or NULL."""
    compared = isinstance(condition, (exp.LT, exp.LTE, exp.GT, exp.GTE))
    if not compared or not isinstance(condition.this, Ref) or not isinstance(condition.expression, Double):
        return known, known
    node, end = condition.this.this, float(condition.expression.this)
    whole = known.get(node, ANYTHING)
    # Without the end itself.
    before, after = math.nextafter(end, -math.inf), math.nextafter(end, math.inf)
    lows: dict[type[exp.Expr], tuple[float, float]] = {
        exp.LT: (before, end),
        exp.LTE: (end, after),
        exp.GT: (end, after),
        exp.GTE: (before, end),
    }
    last, first = lows[type(condition)]
    # Engines order NaN after all numbers, or take no comparison with it for true.
    low, high = replace(whole, high=min(whole.high, last)), replace(whole, low=max(whole.low, first))
    inside, outside = (low, high) if isinstance(condition, (exp.LT, exp.LTE)) else (high, low)
    return {**known, node: replace(inside, null=False)}, {**known, node: outside}


def _coalesce(expression: exp.Expr, known: Known) -> Range:
    ranges = [_of(each, known) for each in (expression.this, *expression.expressions)]
    return replace(_either(ranges), null=all(each.null for each in ranges))


def _extreme(ends: Callable[[Iterable[float]], float]) -> Rule:
    def rule(expression: exp.Expr, known: Known) -> Range:
        ranges = [_of(each, known) for each in (expression.this, *expression.expressions)]
        found = Range(ends(each.low for each in ranges), ends(each.high for each in ranges))
        # NULL is passed over, so that any of them may be the answer.
        found = _either([found, *ranges]) if any(each.null for each in ranges) else found
        return replace(found, null=all(each.null for each in ranges), nan=any(each.nan for each in ranges))

    return rule


def _monotone(function: Callable[[float], float], least: float = -math.inf) -> Rule:
    """Make the rule of a function that rises, and is NaN below `least`."""

    def rule(expression: exp.Expr, known: Known) -> Range:
        inner = _of(expression.this, known)
        if inner.low > inner.high:
            return inner
        with np.errstate(all="ignore"):
            low, high = (float(function(np.float64(max(each, least)))) for each in (inner.low, inner.high))
        return replace(inner, low=low, high=high, nan=inner.nan or inner.low < least)

    return rule


def _negated(expression: exp.Expr, known: Known) -> Range:
    inner = _of(expression.this, known)
    return replace(inner, low=-inner.high, high=-inner.low)


def _absolute(expression: exp.Expr, known: Known) -> Range:
    inner = _of(expression.this, known)
    if inner.low > inner.high:
        return inner
    low = 0.0 if inner.low <= 0 <= inner.high else min(abs(inner.low), abs(inner.high))
    return replace(inner, low=low, high=inner.size)


def _arithmetic(operation: Callable[[np.float64, np.float64], np.float64]) -> Rule:
    """Make the rule of an operation that is monotone in each part: its ends are among those of its parts' ends.

    0 is an end of its own for products of infinity, and both infinities are where a divisor may be 0.
    """

    def rule(expression: exp.Expr, known: Known) -> Range:
        left, right = _of(expression.this, known), _of(expression.expression, known)
        null = left.null or right.null
        if left.low > left.high or right.low > right.high:
            return NOTHING
        with np.errstate(all="ignore"):
            ends = [operation(one, other) for one, other in itertools.product(_ends(left), _ends(right))]
        numbers = [float(each) for each in ends if not np.isnan(each)]
        undefined = left.nan or right.nan or len(numbers) < len(ends)
        return Range(min(numbers, default=math.inf), max(numbers, default=-math.inf), null, undefined)

    return rule


def _ends(values: Range) -> list[np.float64]:
    """Give the ends of a range, and the zeros of either sign within it."""
    ends = [values.low, values.high]
    if values.low <= 0 <= values.high:
        ends += [0.0, -0.0]
    return [np.float64(each) for each in ends]


def _power(expression: exp.Expr, known: Known) -> Range:
    base, power = _of(expression.this, known), _of(expression.expression, known)
    if base.low > base.high or power.low > power.high:
        return NOTHING
    null, nan = base.null or power.null, base.nan or power.nan
    if base.low < 0:
        return Range(-math.inf, math.inf, null, nan=True)
    with np.errstate(all="ignore"):
        ends = [float(one**other) for one, other in itertools.product(_ends(base), _ends(power))]
    return Range(min(ends), max(ends), null, nan)


def _point(value: float) -> Range:
    return Range(value, value)


def _literal(expression: exp.Expr, known: Known) -> Range:
    return ANYTHING if expression.is_string else _point(float(expression.this))


def _cast(expression: exp.Expr, known: Known) -> Range:
    """A number stays what it is as a double; the columns of the relation, texts among them, can become anything."""
    target, inner = expression.args["to"], _of(expression.this, known)
    if target.is_type("double", "int"):
        return inner
    if target.is_type("float") and inner.low <= inner.high:
        with np.errstate(all="ignore"):
            return replace(inner, low=float(np.float32(inner.low)), high=float(np.float32(inner.high)))
    return ANYTHING


def _known_part(expression: exp.Expr, known: Known) -> Range:
    inner = _of(expression.this, known)
    return replace(inner, null=inner.null or inner.nan, nan=False)


def _picked(expression: exp.Expr, known: Known) -> Range:
    index = _of(expression.this, known)
    found = _either(_of(each, known) for each in expression.expressions)
    return replace(found, null=found.null or index.null)


Rule = Callable[[exp.Expr, Known], Range]
RULES: Mapping[type, Rule] = {
    Double: lambda expression, known: _point(expression.this),
    exp.Literal: _literal,
    exp.Null: lambda expression, known: NOTHING,
    exp.Paren: lambda expression, known: _of(expression.this, known),
    exp.Case: _case,
    exp.Coalesce: _coalesce,
    exp.Greatest: _extreme(max),
    exp.Least: _extreme(min),
    exp.Neg: _negated,
    exp.Abs: _absolute,
    exp.Add: _arithmetic(lambda left, right: left + right),
    exp.Sub: _arithmetic(lambda left, right: left - right),
    exp.Mul: _arithmetic(lambda left, right: left * right),
    exp.Div: _arithmetic(lambda left, right: left / right),
    exp.Pow: _power,
    exp.Exp: _monotone(np.exp),
    exp.Ln: _monotone(np.log, 0.0),
    exp.Sqrt: _monotone(np.sqrt, 0.0),
    exp.Cast: _cast,
    NotNan: _known_part,
    Pick: _picked,
}
