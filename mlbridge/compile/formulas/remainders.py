"""The remainder of two doubles, which few engines have, by steps that are each exact."""

from __future__ import annotations

import math

from sqlglot import exp

from mlbridge.compile.sql.expressions import (
    Named,
    Node,
    above,
    add,
    at_least,
    at_most,
    below,
    both,
    case,
    divide,
    double,
    multiply,
    ref,
    subtract,
)
from mlbridge.compile.sql.ranges import GREATEST

# A step handles quotients up to the first number; the first two steps change only values that are farther away.
MOST, STEPS = 2.0**50, (2.0**100, 2.0**50, 1.0)
# At the size of the first number a double has no bits for fractions, at that of the second none below 2**25.
UNITS, HALVES = 1.5 * 2.0**52, 1.5 * 2.0**77


def wrapped(value: Node, start: float, period: float) -> tuple[Node, Node]:
    """Give start + (value - start) % period as numpy does it, for a period above 0.

    The second node is the condition that a finite value is too far away for that, 2**150 periods and more.
    """
    apart = Named("apart", subtract(ref(value), double(start)))
    far: Node = Named("far", exp.Abs(this=ref(apart)))
    rest = far
    for factor in STEPS:
        rest = _remainder(rest, period * factor)
    turned = (both([below(ref(apart), double(0)), above(ref(rest), double(0))]), subtract(double(period), ref(rest)))
    inside = Named("inside", case([turned], ref(rest)))
    outermost = min(period * STEPS[0] * MOST, GREATEST)
    too_far = both([at_least(ref(far), double(outermost)), at_most(ref(far), double(GREATEST))])
    return Named(value.hint, add(double(start), ref(inside))), Named("too_far", too_far)


def _remainder(value: Node, by: float) -> Node:
    """Return the remainder of a positive value.

    The quotient may be rounded up. Halves of the quotient times halves of `by` fit into 53 bits, and so does what is
    left each time (T. J. Dekker, Numerische Mathematik 18, 1971): nothing below is rounded.
    """
    digits, exponent = math.frexp(by)
    high = math.ldexp(round(math.ldexp(digits, 26)), exponent - 26)
    count = Named("count", _rounded(divide(ref(value), double(by)), UNITS))
    upper = Named("upper", _rounded(ref(count), HALVES))
    lower = Named("lower", subtract(ref(count), ref(upper)))
    left = ref(value)
    for many in (upper, lower):
        for part in (high, by - high):
            left = subtract(left, multiply(ref(many), double(part)))
    rest = Named("rest", left)
    return Named("rest", case([(below(ref(rest), double(0)), add(ref(rest), double(by)))], ref(rest)))


def _rounded(value: exp.Expression, beside: float) -> exp.Expression:
    """Round without a function: FLOOR gives whole numbers on some engines, which overflow."""
    return subtract(exp.Paren(this=add(value, double(beside))), double(beside))
