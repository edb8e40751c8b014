"""SplineTransformer: a basis of B-splines for each feature, equal to scipy's to the last bit.

Between two knots a basis function is a polynomial, which scipy works out by de Boor's recursion (C. de Boor, "A
Practical Guide to Splines", 1978, chapter X; `_deBoor_D` in scipy). The same additions, multiplications and divisions
are written here in the same order: first in which span between two knots the value lies, then the recursion over the
knots around that span, whose last numbers are the basis functions that are not 0 there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.formulas.lookup_tables import read
from mlbridge.compile.formulas.piecewise import stepped
from mlbridge.compile.formulas.remainders import wrapped
from mlbridge.compile.sql.columns import Column, Floats, Table, merged, numbers
from mlbridge.compile.sql.expressions import (
    Named,
    Node,
    NotNan,
    Pick,
    above,
    add,
    added,
    at_least,
    at_most,
    below,
    both,
    case,
    divide,
    double,
    either,
    equal,
    is_known,
    multiply,
    ref,
    subtract,
    whole,
)
from mlbridge.compile.sql.number import Number, number_from
from mlbridge.compile.sql.ranges import Range
from mlbridge.errors import CompileError

Branches = list[tuple[exp.Expression, exp.Expression]]


@dataclass(frozen=True)
class _Ends:
    """How a feature is extrapolated beyond its knots.

    `beyond` has conditions and values for each basis function; elsewhere the splines are evaluated at `value`, where
    `inside` is true (everywhere if it is None). A row in which a node of `refused` is true is rejected by scikit-learn.
    """

    value: Node
    beyond: list[Branches]
    inside: exp.Expression | None = None
    refused: tuple[Node, ...] = ()


def spline_transformer(estimator: Any, table: Table) -> Table:
    """Translate SplineTransformer: as many columns a feature as it has basis functions.

    NULL is refused, or with `handle_missing="zeros"` 0 in every column; there scikit-learn lets infinite numbers in
    too. A value outside the knots is refused under `extrapolation="error"`. Raises CompileError for a sparse matrix
    in which scikit-learn fills missing values from other rows.
    """
    zeros, kind = estimator.handle_missing == "zeros", estimator.extrapolation
    if zeros and estimator.sparse_output and kind not in ("constant", "linear"):
        raise CompileError(
            f"SplineTransformer(extrapolation={kind!r}, handle_missing='zeros', sparse_output=True): what scikit-learn "
            "makes of a missing value depends on the other rows. Set sparse_output=False."
        )
    found, refused = read(table), table.refused
    if not zeros:
        found, refused = numbers(table, missing=False)
    bounded = kind not in ("continue", "linear")
    columns: list[Column] = []
    for index, (number, spline) in enumerate(zip(found, estimator.bsplines_, strict=True)):
        ends = EXTRAPOLATIONS[kind](spline, number, index, bool(estimator.sparse_output))
        basis = [
            Number(node, Range(-2, 2, null=number.infinite)) if bounded else number_from(node, [number])
            for node in _basis(spline, ends)
        ]
        columns.extend(basis if estimator.include_bias else basis[:-1])
        refused = merged(refused, ends.refused)
    return Table(tuple(columns), refused, bool(estimator.sparse_output))


def _basis(spline: Any, ends: _Ends) -> list[Node]:
    """Give the basis functions of one feature; one of a periodic feature may be the sum of two of scipy's."""
    begins = spline.t[spline.k : -spline.k - 1]
    found = stepped(ends.value, begins[1:], lambda count: whole(count + 1))
    span = Named(f"{ends.value.hint}_span", found if ends.inside is None else case([(ends.inside, found)], None))
    heights = _heights(spline, ends.value, span, len(begins))
    parts: list[dict[int, list[exp.Expression]]] = [{} for _ in ends.beyond]
    for index in range(len(begins)):
        for later, height in enumerate(heights):
            parts[(index + later) % len(parts)].setdefault(index + 1, []).append(ref(height))
    basis: list[Node] = []
    for beyond, part in zip(ends.beyond, parts, strict=True):
        within = [(equal(ref(span), whole(index)), added(terms)) for index, terms in part.items()]
        basis.append(Named(f"{ends.value.hint}_spline", case([*beyond, *within], double(0))))
    return basis


def _heights(spline: Any, value: Node, span: Node, spans: int) -> list[Node]:
    """Write de Boor's recursion: the basis functions that are not 0 in a span, in their order."""
    orders = range(1, spline.k + 1)

    def knots(shift: int) -> Floats:
        """Return for each span the knot that is `shift` places after its first knot."""
        first = spline.k + shift
        return np.asarray(spline.t[first : first + spans])

    def around(each: Floats) -> exp.Expression:
        """Write a number of the model that the span decides."""
        numbers = [double(number) for number in each]
        return numbers[0] if len(set(each.tolist())) == 1 else Pick(this=ref(span), expressions=numbers)

    to_come = [Named("to_come", subtract(around(knots(order)), ref(value))) for order in orders]
    gone = [Named("gone", subtract(ref(value), around(knots(1 - order)))) for order in orders]
    heights: list[Node] = [Named("height", double(1))]
    for order in orders:
        terms: list[list[exp.Expression]] = [[] for _ in range(order + 1)]
        for index in range(order):
            width = knots(index + 1) - knots(index + 1 - order)
            width[width == 0] = np.inf  # where knots coincide scipy writes the 0 that this makes
            share = around(1 / width) if order == 1 else divide(ref(heights[index]), around(width))
            slope = Named("slope", share)
            terms[index].append(multiply(ref(slope), ref(to_come[index])))
            terms[index + 1].append(multiply(ref(slope), ref(gone[order - index - 1])))
        heights = [Named("height", added(each)) for each in terms]
    return heights


def _nowhere(spline: Any) -> list[Branches]:
    return [[] for _ in range(spline.c.shape[1])]


def _bounds(spline: Any, margin: int) -> tuple[float, float]:
    """Give the knots that are so many from the first and from the last one."""
    return float(spline.t[margin]), float(spline.t[-margin - 1])


def _between(value: Node, low: float, high: float) -> exp.Expression:
    return both([at_least(ref(value), double(low)), at_most(ref(value), double(high))])


def _continued(spline: Any, number: Number, index: int, sparse: bool) -> _Ends:
    """The outermost polynomials go on; of an infinite number scipy makes NaN."""
    inside = is_known(ref(number.node)) if number.missing else None
    lost = number.infinite and spline.k > 0
    return _Ends(number.node, _lost(spline, number) if lost else _nowhere(spline), inside)


def _lost(spline: Any, number: Number) -> list[Branches]:
    return [[(ref(number.is_infinite), exp.null())] for _ in _nowhere(spline)]


def _periodic(spline: Any, number: Number, index: int, sparse: bool) -> _Ends:
    """The splines come round again. A feature without any extent is 0 to scikit-learn."""
    low, high = _bounds(spline, spline.k)
    inside = is_known(ref(number.node)) if number.missing else None
    if not high > low:
        return _Ends(Named(number.node.hint, double(0)), _nowhere(spline), inside)
    turned, too_far = wrapped(number.node, low, high - low)
    return _Ends(turned, _lost(spline, number) if number.infinite else _nowhere(spline), inside, (too_far,))


def _refused(spline: Any, number: Number, index: int, sparse: bool) -> _Ends:
    """No row is taken outside the knots."""
    value = number.node
    low, high = _bounds(spline, spline.k)
    outside = Named("outside", either([below(ref(value), double(low)), above(ref(value), double(high))]))
    return _Ends(value, _nowhere(spline), _between(value, low, high), (outside,))


def _constant(spline: Any, number: Number, index: int, sparse: bool) -> _Ends:
    """The outermost functions, as many as the degree, stay as they are at the first and at the last knot.

    scikit-learn counts the last ones from the end, so that with degree 0 all are meant: a sparse matrix takes that, an
    array refuses the row, unless it has but one.
    """
    value, degree = number.node, spline.k
    low, high = _bounds(spline, degree)
    first, last, beyond = spline(low), spline(high), _nowhere(spline)
    if degree == 0 and not sparse:
        refused = (Named("outside", above(ref(value), double(high))),) if len(beyond) > 1 else ()
        return _Ends(value, beyond, _between(value, low, high), refused)
    functions = range(len(beyond))
    for function in functions[-degree:]:
        beyond[function].append((above(ref(value), double(high)), double(last[function])))
    for function in functions[:degree]:
        beyond[function].append((below(ref(value), double(low)), double(first[function])))
    return _Ends(value, beyond, _between(value, low, high))


def _linear(spline: Any, number: Number, index: int, sparse: bool) -> _Ends:
    """The outermost functions, as many as the degree but at least two, go on as straight lines.

    With degree 0 or 1 scikit-learn carries the greater number on to the next features, whose lines begin at other
    knots, below and above at once: the one that it writes last wins.
    """
    value, width, degree = number.node, spline.c.shape[1], spline.k
    margin = degree if degree > 1 else min(degree + index, 2)
    count = degree if degree > 1 else min(degree + index + 1, 2)
    low, high = _bounds(spline, margin)
    beyond, functions = _nowhere(spline), range(width)
    sides = [(below, low, functions[:count]), (above, high, functions[: -count - 1 : -1])]
    for step in range(min(count, width)):
        for side, end, outermost in sides:
            function = outermost[step]
            level, slope = spline(end)[function], spline(end, nu=1)[function]
            line = add(double(level), multiply(subtract(ref(value), double(end)), double(slope)))
            branch = (side(ref(value), double(end)), NotNan(this=line) if number.infinite else line)
            beyond[function].insert(0, branch)
    return _Ends(value, beyond, _between(value, low, high))


EXTRAPOLATIONS: Mapping[str, Callable[[Any, Number, int, bool], _Ends]] = {
    "continue": _continued,
    "periodic": _periodic,
    "error": _refused,
    "constant": _constant,
    "linear": _linear,
}
