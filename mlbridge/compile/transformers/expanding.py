"""Transformers that make several columns of one, or bins of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtri
from sklearn.preprocessing._data import BOUNDS_THRESHOLD
from sqlglot import exp

from mlbridge.compile.formulas.functions import clipped
from mlbridge.compile.formulas.normal_quantile import LEAST, normal_quantile
from mlbridge.compile.formulas.piecewise import interpolated, stepped
from mlbridge.compile.sql.columns import Column, Floats, Mapped, Table, numbers
from mlbridge.compile.sql.expressions import (
    Named,
    Node,
    above,
    add,
    below,
    case,
    double,
    equal,
    is_known,
    multiply,
    negative,
    ref,
    subtract,
)
from mlbridge.compile.sql.number import Number, computed, number_from


def k_bins_discretizer(estimator: Any, table: Table) -> Table:
    """Translate KBinsDiscretizer: how many inner edges are at or below the number, or an indicator of each bin."""
    found, refused = numbers(table, missing=False)
    columns: list[Column] = []
    for number, edges, bins in zip(found, estimator.bin_edges_, estimator.n_bins_, strict=True):
        inner = np.asarray(edges[1:-1], dtype=np.float64)
        node = Named(f"{number.node.hint}_bin", stepped(number.node, inner, double))
        if estimator.encode == "ordinal":
            columns.append(number_from(node, [number], whole=True))
        else:
            codes = np.arange(bins, dtype=np.float64)
            keys = tuple(codes.tolist())
            columns.extend(Mapped(node.hint, node, keys, (codes == each) * 1.0, 0.0, 0.0) for each in codes)
    return Table(tuple(columns), refused, estimator.encode == "onehot")


def polynomial_features(estimator: Any, table: Table) -> Table:
    """Translate PolynomialFeatures: products, multiplied from the last feature to the first as scikit-learn does."""
    found, refused = numbers(table, missing=False)
    columns: list[Column] = []
    for powers in estimator.powers_:
        factors = [number for number, power in zip(found, powers, strict=True) for _ in range(power)]
        if not factors:
            columns.append(computed("one", double(1), whole=True))
        elif len(factors) == 1:
            columns.append(factors[0])
        else:
            product = ref(factors[-1].node)
            for factor in reversed(factors[:-1]):
                product = multiply(product, ref(factor.node))
            columns.append(computed("product", product, factors))
    return Table(tuple(columns), refused, table.sparse)


def quantile_transformer(estimator: Any, table: Table) -> Table:
    """Translate QuantileTransformer: the mean of two interpolations, or the normal distribution's quantile of it.

    In a sparse matrix what is 0 stays 0.
    """
    normal = estimator.output_distribution == "normal"
    distribution, within = (_normal, (-6.0, 6.0)) if normal else (_uniform, (0.0, 1.0))
    found, refused = numbers(table, missing=True)

    def transformed(index: int, number: Number) -> Number:
        node = distribution(number.node, estimator.quantiles_[:, index], estimator.references_)
        if table.sparse:
            node = Named(node.hint, case([(equal(ref(number.node), double(0)), double(0))], ref(node)))
        return number_from(node, [number], within)

    columns = tuple(transformed(index, number) for index, number in enumerate(found))
    return Table(columns, refused, table.sparse)


def _uniform(value: Node, quantiles: Floats, references: Floats) -> Node:
    ends = [
        (equal(ref(value), double(quantiles[0])), double(0)),
        (equal(ref(value), double(quantiles[-1])), double(1)),
        (is_known(ref(value)), _share(value, quantiles, references)),
    ]
    return Named(value.hint, case(ends, None))


def _normal(value: Node, quantiles: Floats, references: Floats) -> Node:
    """Write the normal quantile, clipped; values closer to an end than the threshold count as beyond it."""
    margin = BOUNDS_THRESHOLD - np.spacing(1)
    least, most = float(ndtri(margin)), float(ndtri(1 - margin))
    share = Named("share", _share(value, quantiles, references), kept=True)
    ends = [
        (below(subtract(ref(value), double(BOUNDS_THRESHOLD)), double(quantiles[0])), double(least)),
        (above(add(ref(value), double(BOUNDS_THRESHOLD)), double(quantiles[-1])), double(most)),
        (below(ref(share), double(LEAST)), double(least)),
        (above(ref(share), double(1 - LEAST)), double(most)),
        (is_known(ref(value)), clipped(ref(normal_quantile(share)), least, most)),
    ]
    return Named(value.hint, case(ends, None))


def _share(value: Node, quantiles: Floats, references: Floats) -> exp.Expression:
    mirrored = Named("mirrored", negative(ref(value)), kept=True)
    up = interpolated(value, quantiles, references)
    down = interpolated(mirrored, -quantiles[::-1], -references[::-1])
    return multiply(double(0.5), exp.Paren(this=subtract(up, down)))
