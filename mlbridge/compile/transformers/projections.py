"""Transformers that make each column of all columns: principal components, singular vectors, and rows of one length."""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlglot import exp

from mlbridge.compile.formulas.weighted_sums import weighted_sums
from mlbridge.compile.sql.columns import Table, numbers
from mlbridge.compile.sql.expressions import Named, Node, added, below, case, divide, double, multiply, ref
from mlbridge.compile.sql.number import Number, computed, number_from

# A norm below this counts as 0.
ZERO = 10 * float(np.finfo(np.float64).eps)


def principal_components(estimator: Any, table: Table) -> Table:
    """Translate PCA and IncrementalPCA: the weighted sums, less those of the means; with `whiten` by their scale."""
    found, refused = numbers(table, missing=False)
    constants = -(np.reshape(estimator.mean_, (1, -1)) @ estimator.components_.T).ravel()
    sums = [number_from(each, found) for each in weighted_sums(table, estimator.components_, constants, "component")]
    if estimator.whiten:
        scales = np.maximum(np.sqrt(estimator.explained_variance_), np.finfo(np.float64).eps)
        sums = [_divided(number, float(scale)) for number, scale in zip(sums, scales, strict=True)]
    return Table(tuple(sums), refused)


def singular_vectors(estimator: Any, table: Table) -> Table:
    """Translate TruncatedSVD: the weighted sums."""
    found, refused = numbers(table, missing=False)
    sums = weighted_sums(table, estimator.components_, 0.0, "component")
    return Table(tuple(number_from(each, found) for each in sums), refused)


def _divided(number: Number, by: float) -> Number:
    return computed(number.node.hint, divide(ref(number.node), double(by)), [number])


def normalizer(estimator: Any, table: Table) -> Table:
    """Translate Normalizer: each number by the row's sum of sizes, length, or greatest size.

    A row whose norm is 0 to scikit-learn stays as it is.
    """
    found, refused = numbers(table, missing=False)
    sizes = [exp.Abs(this=ref(each.node)) for each in found]
    if estimator.norm == "max":
        norm: exp.Expression = exp.Greatest(this=sizes[0], expressions=sizes[1:], ignore_nulls=True)
    elif estimator.norm == "l1":
        norm = added(sizes)
    else:
        norm = exp.Sqrt(this=added([multiply(ref(each.node), ref(each.node)) for each in found]))
    node: Node = Named("norm", norm)
    by = number_from(Named("norm", case([(below(ref(node), double(ZERO)), double(1))], ref(node))), found)
    columns = (computed(each.node.hint, divide(ref(each.node), ref(by.node)), [each, by]) for each in found)
    return Table(tuple(columns), refused, table.sparse)
