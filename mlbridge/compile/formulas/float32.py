"""Arithmetic in floats of 32 bits, as C does it, and the links of `links` in it.

A sum, product or quotient of two such floats that is computed in doubles and then rounded is the float that C gives,
because a double has more than twice the digits. An engine that has no such floats does not round.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from sqlglot import exp

from mlbridge.compile.formulas.links import greatest, total
from mlbridge.compile.sql.expressions import (
    Named,
    Node,
    above,
    add,
    below,
    case,
    divide,
    double,
    multiply,
    negative,
    ref,
    subtract,
)

# glibc's expf: 2 to the power of a whole number of steps, times a polynomial of what is left of a step.
STEPS = 32
STEPS_TO_E = float.fromhex("0x1.71547652b82fep+0") * STEPS
CUBIC = float.fromhex("0x1.c6af84b912394p-5") / STEPS**3
SQUARE = float.fromhex("0x1.ebfce50fac4f3p-3") / STEPS**2
LINEAR = float.fromhex("0x1.62e42ff0c52d6p-1") / STEPS
# A double is a whole number, to the nearest, once this has been added to it.
SHIFT = 1.5 * 2.0**52
# Beyond these expf is 0 and infinite.
SMALLEST_EXPONENT, GREATEST_EXPONENT = -150 * math.log(2), 128 * math.log(2)


def single(value: exp.Expression) -> exp.Expression:
    """Round a double to a float."""
    return exp.Cast(this=value, to=exp.DataType.build("float"))


def as_double(value: exp.Expression) -> exp.Expression:
    """Widen a float, which keeps its value."""
    return exp.Cast(this=value, to=exp.DataType.build("double"))


def rounded(value: exp.Expression) -> exp.Expression:
    """Round a double to what a float can hold; it stays a double."""
    return as_double(single(value))


def raised(power: Node, hint: str = "raised") -> Node:
    """Give exp(x) of a float as glibc's expf does; 0 and infinity where it would under- or overflow.

    Other C libraries' expf differs from it in the last bit of some floats.
    """
    steps = Named("steps", multiply(ref(power), double(STEPS_TO_E)))
    whole = Named("whole", subtract(add(ref(steps), double(SHIFT)), double(SHIFT)))
    rest = Named("rest", subtract(ref(steps), ref(whole)))
    bent = multiply(add(multiply(double(CUBIC), ref(rest)), double(SQUARE)), multiply(ref(rest), ref(rest)))
    polynomial = add(bent, add(multiply(double(LINEAR), ref(rest)), double(1)))
    doublings = exp.Pow(this=double(2), expression=divide(ref(whole), double(STEPS)))
    ends = [
        (below(ref(power), double(SMALLEST_EXPONENT)), double(0)),
        (above(ref(power), double(GREATEST_EXPONENT)), double(math.inf)),
    ]
    return Named(hint, case(ends, rounded(multiply(polynomial, doublings))))


def sigmoid(score: Node) -> tuple[Node, Node]:
    """Give 1 - p and p = 1 / (1 + exp(-score)), the exponent at most `most`, as XGBoost bounds it."""
    most = float(np.float32(88.7))
    power = Named("power", case([(below(ref(score), double(-most)), double(most))], negative(ref(score))))
    below_one = rounded(add(ref(raised(power)), double(1)))
    second = Named("probability", rounded(divide(double(1), below_one)))
    return Named("probability", rounded(subtract(double(1), ref(second)))), second


def softmax(scores: Sequence[Node]) -> tuple[Node, ...]:
    """Give exp(score) over the sum of all, a sum of doubles, after the greatest score has been taken off."""
    top = greatest(scores)
    powers = [raised(Named("shifted", rounded(subtract(ref(score), ref(top))))) for score in scores]
    whole = Named("total", rounded(ref(total(powers))))
    return tuple(Named("probability", rounded(divide(ref(power), ref(whole)))) for power in powers)
