"""From scores to probabilities. Engines and numpy may differ in the last digit of exp and log.

PostgreSQL refuses exp where it over- or underflows: there the value that a double would have is written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sqlglot import exp

from mlbridge.compile.sql.expressions import (
    Named,
    Node,
    NotNan,
    above,
    add,
    at_least,
    below,
    case,
    divide,
    double,
    either,
    equal,
    is_null,
    negative,
    ref,
    subtract,
)
from mlbridge.compile.sql.intervals import range_of
from mlbridge.compile.sql.number import Number
from mlbridge.compile.sql.ranges import GREATEST

# Below the first number exp(-x) overflows a double; from the second on 1 + exp(-x) is 1.
NO_SIGMOID_BELOW, ONE_FROM = -709.782712893384, 40.0
SMALLEST_EXPONENT, GREATEST_EXPONENT = -708.0, 709.782712893384


def sigmoid(score: Node, bound: float | None = None, hint: str = "probability") -> tuple[Node, Node]:
    """Give the probabilities of both classes: 1 - p and p = 1 / (1 + exp(-score)); |score| is at most `bound`."""
    inner = divide(double(1), add(double(1), exp.Exp(this=negative(ref(score)))))
    if bound is None or bound >= ONE_FROM:
        ends = [
            (at_least(ref(score), double(ONE_FROM)), double(1)),
            (below(ref(score), double(NO_SIGMOID_BELOW)), double(0)),
        ]
        inner = case(ends, inner)
    second = Named(hint, inner)
    return Named(hint, subtract(double(1), ref(second))), second


def raised(power: exp.Expression) -> exp.Expression:
    """Write exp(x), 0 and infinity where it would under- or overflow."""
    ends = [
        (below(power, double(SMALLEST_EXPONENT)), double(0)),
        (above(power.copy(), double(GREATEST_EXPONENT)), double(math.inf)),
    ]
    return case(ends, exp.Exp(this=power.copy()))


def greatest(nodes: Sequence[Node]) -> Node:
    """Give the greatest of numbers that are all known."""
    first, *rest = [ref(node) for node in nodes]
    return Named("greatest", exp.Greatest(this=first, expressions=rest, ignore_nulls=True))


def unbounded(scores: Sequence[Node], inputs: Sequence[Number] = ()) -> list[Node]:
    """Give the condition under which the softmax of scores is NaN: the greatest is infinite, or NaN itself."""
    known = {each.node: each.range for each in inputs}
    ranges = [range_of(ref(score), known) for score in scores]
    if not any(each.infinite or each.nan for each in ranges):
        return []
    top = greatest(scores)
    tests = [is_null(NotNan(this=ref(top))), above(exp.Abs(this=ref(top)), double(GREATEST))]
    return [Named("undefined", either(tests))]


def softmax(scores: Sequence[Node]) -> tuple[Node, ...]:
    """Give exp(score) over the sum of all, after the greatest score has been taken off."""
    top = greatest(scores)
    powers = []
    for score in scores:
        low = subtract(ref(score), ref(top))
        shifted = Named("shifted", low)
        tests = [(below(ref(shifted), double(SMALLEST_EXPONENT)), double(0))]
        powers.append(Named("raised", case(tests, exp.Exp(this=ref(shifted)))))
    return shares(powers)


def exponentials(scores: Sequence[Node]) -> tuple[Node, ...]:
    """Give exp(score - log(sum of exp)), which is the softmax, except that large scores lose precision."""
    top = greatest(scores)
    powers = [Named("raised", raised(ref(Named("shifted", subtract(ref(score), ref(top)))))) for score in scores]
    whole = Named("logarithm", add(exp.Ln(this=ref(total(powers))), ref(top)))
    shifted = [Named("shifted", subtract(ref(score), ref(whole))) for score in scores]
    return tuple(Named("probability", raised(ref(each))) for each in shifted)


def total(nodes: Sequence[Node], hint: str = "total") -> Named:
    """Add numbers up, from the left."""
    expression: exp.Expression = ref(nodes[0])
    for node in nodes[1:]:
        expression = add(expression, ref(node))
    return Named(hint, expression)


def shares(parts: Sequence[Node]) -> tuple[Node, ...]:
    """Divide numbers by their sum."""
    whole = total(parts)
    return tuple(Named("probability", divide(ref(part), ref(whole))) for part in parts)


def normalized(parts: Sequence[Node]) -> tuple[Node, ...]:
    """Divide numbers by their sum; where all are 0 they are equal shares."""
    whole = total(parts)
    equally = double(1 / len(parts))
    return tuple(
        Named(
            "probability",
            case([(equal(ref(whole), double(0)), equally.copy())], divide(ref(part), ref(whole))),
        )
        for part in parts
    )
