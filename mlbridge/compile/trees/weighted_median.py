"""The weighted median of several regressors' predictions: the least one with half of all weight at or below it.

scikit-learn sorts the numbers of a row and adds the weights up in that order; here they are added in the order of the
regressors. The sums differ in their last bits at most, so that another number is found only where a sum is half of all
weight but for rounding. Real weights do not meet that, and where all are equal the sums are equal too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sqlglot import exp

from mlbridge.compile.sql.columns import Floats
from mlbridge.compile.sql.expressions import (
    Named,
    Node,
    Pick,
    add,
    added,
    at_least,
    at_most,
    below,
    case,
    double,
    ref,
    whole,
)
from mlbridge.compile.trees.tree import Grown


def median_of_trees(trees: Sequence[Grown], values: Sequence[Floats], weights: Floats) -> Node:
    """Return the weighted median of trees; `values` holds for each tree the value of each of its nodes.

    The values of the leaves are sorted here, so that each tree gives a rank; the median's rank is found bit by bit,
    each of which takes the sum of the weights of the lower ranks.
    """
    leaves = [np.array(tree.left) < 0 for tree in trees]
    known = np.unique(np.concatenate([each[leaf] for each, leaf in zip(values, leaves, strict=True)]))
    ranks = [
        Named("rank", tree.expression(np.searchsorted(known, each).tolist(), whole), kept=True)
        for tree, each in zip(trees, values, strict=True)
    ]
    found: Node = Named("found", whole(0))
    for bit in reversed(range((len(known) - 1).bit_length())):
        tried = Named("tried", add(ref(found), whole(2**bit)))
        lower = _weight([below(ref(rank), ref(tried)) for rank in ranks], weights)
        found = Named("found", case([(below(lower, _half(weights)), ref(tried))], ref(found)))
    return Named("median", Pick(this=add(ref(found), whole(1)), expressions=[double(each) for each in known.tolist()]))


def median_of_numbers(nodes: Sequence[Node], weights: Floats) -> Node:
    """Give the weighted median of any numbers: for each the sum of the weights up to it, which takes all pairs."""
    enough = []
    for node in nodes:
        reached = _weight([at_most(ref(other), ref(node)) for other in nodes], weights)
        enough.append(case([(at_least(reached, _half(weights)), ref(node))], double(np.inf)))
    return Named("median", exp.Least(this=enough[0], expressions=enough[1:], ignore_nulls=True))


def _weight(conditions: Sequence[exp.Expression], weights: Floats) -> exp.Expression:
    """Add up the weights whose condition is true."""
    return added([case([(each, double(weight))], double(0)) for each, weight in zip(conditions, weights, strict=True)])


def _half(weights: Floats) -> exp.Expression:
    """Give half of all weight, added up as the SQL does it."""
    return double(0.5 * float(np.cumsum(weights)[-1]))
