"""Transformers that make several columns of one, or bins of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.columns import Column, Mapped, Number, Table, numbers
from mlbridge.compile.expressions import Named, case, double, equal, is_known, multiply, negative, ref, subtract
from mlbridge.compile.steps import interpolated, stepped
from mlbridge.errors import CompileError


def k_bins_discretizer(estimator: Any, table: Table) -> Table:
    """Translate KBinsDiscretizer: how many inner edges are at or below the number, or an indicator of each bin."""
    found, refused = numbers(table, missing=False)
    columns: list[Column] = []
    for number, edges, bins in zip(found, estimator.bin_edges_, estimator.n_bins_, strict=True):
        inner = np.asarray(edges[1:-1], dtype=np.float64)
        node = Named(f"{number.node.hint}_bin", stepped(number.node, inner, double))
        if estimator.encode == "ordinal":
            columns.append(Number(node, missing=False, small=True, whole=True))
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
            columns.append(Number(Named("one", double(1)), missing=False, small=True, whole=True))
        elif len(factors) == 1:
            columns.append(factors[0])
        else:
            product = ref(factors[-1].node)
            for factor in reversed(factors[:-1]):
                product = multiply(product, ref(factor.node))
            columns.append(Number(Named("product", product), missing=False))
    return Table(tuple(columns), refused, table.sparse)


def quantile_transformer(estimator: Any, table: Table) -> Table:
    """Translate QuantileTransformer(output_distribution="uniform"): the mean of two interpolations."""
    if estimator.output_distribution != "uniform":
        raise CompileError(
            "QuantileTransformer(output_distribution='normal') is not covered: SQL has no quantile of the normal "
            "distribution. Take 'uniform'."
        )
    found, refused = numbers(table, missing=True)
    columns = tuple(
        Number(_quantile(number, estimator.quantiles_[:, place], estimator.references_), number.missing, small=True)
        for place, number in enumerate(found)
    )
    return Table(columns, refused)


def _quantile(number: Number, quantiles: Any, references: Any) -> Named:
    value, mirrored = number.node, Named("mirrored", negative(ref(number.node)), kept=True)
    up = interpolated(value, quantiles, references)
    down = interpolated(mirrored, -quantiles[::-1], -references[::-1])
    mean = multiply(double(0.5), exp.Paren(this=subtract(up, down)))
    ends = [
        (equal(ref(value), double(quantiles[0])), double(0)),
        (equal(ref(value), double(quantiles[-1])), double(1)),
        (is_known(ref(value)), mean),
    ]
    return Named(value.hint, case(ends, None))
