"""The quantile of the normal distribution, as scipy computes it.

`scipy.special.ndtri` is `ndtri` of the Cephes library (S. L. Moshier, "Methods and Programs for Mathematical
Functions", 1989): rational approximations, one in the middle and one in the tails, where z = sqrt(-2 log y) is the
leading term. The coefficients are Cephes's, and the polynomials are evaluated in its order. Cephes has a third one for
shares below exp(-32), which is not needed here.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from mlbridge.compile.sql.expressions import (
    Named,
    Node,
    above,
    add,
    at_least,
    case,
    divide,
    double,
    multiply,
    negative,
    ref,
    subtract,
)

# The middle reaches from the first to 1 minus it; the tails end at the second, which is a little above exp(-32).
MIDDLE, LEAST = 0.13533528323661269189, 2.0**-46
ROOT_OF_2_PI = 2.50662827463100050242
# The highest power first.
UPPER_MIDDLE = (
    -5.99633501014107895267e1, 9.80010754185999661536e1, -5.66762857469070293439e1, 1.39312609387279679503e1,
    -1.23916583867381258016e0,
)  # fmt: skip
LOWER_MIDDLE = (
    1.0, 1.95448858338141759834e0, 4.67627912898881538453e0, 8.63602421390890590575e1, -2.25462687854119370527e2,
    2.00260212380060660359e2, -8.20372256168333339912e1, 1.59056225126211695515e1, -1.18331621121330003142e0,
)  # fmt: skip
UPPER_TAIL = (
    4.05544892305962419923e0, 3.15251094599893866154e1, 5.71628192246421288162e1, 4.40805073893200834700e1,
    1.46849561928858024014e1, 2.18663306850790267539e0, -1.40256079171354495875e-1, -3.50424626827848203418e-2,
    -8.57456785154685413611e-4,
)  # fmt: skip
LOWER_TAIL = (
    1.0, 1.57799883256466749731e1, 4.53907635128879210584e1, 4.13172038254672030440e1, 1.50425385692907503408e1,
    2.50464946208309415979e0, -1.42182922854787788574e-1, -3.80806407691578277194e-2, -9.33259480895457427372e-4,
)  # fmt: skip


def normal_quantile(share: Node) -> Node:
    """Give the number below which such a share of the normal distribution lies, NULL within `LEAST` of 0 and 1."""
    high = above(ref(share), double(1 - MIDDLE))
    away = _tail(Named("tail", case([(high, subtract(double(1), ref(share)))], ref(share))))
    branches = [
        (above(ref(share), double(1 - MIDDLE)), ref(away)),
        (above(ref(share), double(MIDDLE)), _middle(share)),
    ]
    return Named("quantile", case(branches, negative(ref(away))))


def _middle(share: Node) -> exp.Expression:
    apart = Named("apart", subtract(ref(share), double(0.5)))
    square = Named("square", multiply(ref(apart), ref(apart)))
    upper = multiply(ref(square), _polynomial(square, UPPER_MIDDLE))
    bent = multiply(ref(apart), divide(upper, _polynomial(square, LOWER_MIDDLE)))
    return multiply(add(ref(apart), bent), double(ROOT_OF_2_PI))


def _tail(share: Node) -> Node:
    """Give how far from 0 the quantile of a small share is."""
    leading = exp.Sqrt(this=multiply(double(-2), exp.Ln(this=ref(share))))
    root = Named("root", case([(at_least(ref(share), double(LEAST)), leading)], None))
    inverse = Named("inverse", divide(double(1), ref(root)))
    upper = multiply(ref(inverse), _polynomial(inverse, UPPER_TAIL))
    nearer = subtract(ref(root), divide(exp.Ln(this=ref(root)), ref(root)))
    return Named("away", subtract(nearer, divide(upper, _polynomial(inverse, LOWER_TAIL))))


def _polynomial(node: Node, coefficients: Sequence[float]) -> exp.Expression:
    """Write a polynomial by Horner's rule."""
    total = double(coefficients[0])
    for each in coefficients[1:]:
        total = add(multiply(total, ref(node)), double(each))
    return total
