"""Functions that are given piece by piece between edges, as CASE that halves the pieces."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sqlglot import exp

from mlbridge.compile.sql.columns import Floats
from mlbridge.compile.sql.expressions import Node, add, below, case, double, multiply, ref, subtract


def stepped(node: Node, edges: Floats, piece: Callable[[int], exp.Expression]) -> exp.Expression:
    """Write the piece whose number is how many of the ascending edges are at or below the value, which is not NULL."""

    def between(first: int, last: int) -> exp.Expression:
        branches = []
        while first < last:
            middle = (first + last) // 2
            branches.append((below(ref(node), double(edges[middle])), between(first, middle)))
            first = middle + 1
        return case(branches, piece(first))

    return between(0, len(edges))


def interpolated(node: Node, points: Floats, values: Floats) -> exp.Expression:
    """Write numpy.interp: straight lines between ascending points, level outside."""

    def piece(count: int) -> exp.Expression:
        if count == 0 or count == len(points):
            return double(values[0 if count == 0 else -1])
        low = count - 1
        if points[count] == points[low]:
            return double(values[low])  # no value is between them
        slope = (values[count] - values[low]) / (points[count] - points[low])
        if slope == 0:
            return double(values[low])
        return add(multiply(double(slope), subtract(ref(node), double(points[low]))), double(values[low]))

    with np.errstate(over="raise", invalid="raise", divide="raise"):
        return stepped(node, points, piece)
