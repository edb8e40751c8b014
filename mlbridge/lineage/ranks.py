"""Numbers of rows in an order, which lie to each other as what orders them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlglot import exp
from sqlglot.helper import ensure_list

from mlbridge.lineage.flows import Column, placed_by
from mlbridge.lineage.frames import window_function
from mlbridge.lineage.graph import PART
from mlbridge.lineage.held import Pair
from mlbridge.lineage.moments import EXACT, UNSEEN, Rank

RANKS = (exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile)
OF_ROWS = ("from_", "joins", "laterals", "where", "group")  # the parts of a SELECT that say which rows it has


def is_in_time(rank: Rank | None, alike: Iterable[Pair]) -> bool:
    """Return whether rows that are ordered by their numbers, if they are, are those that were numbered together."""
    return rank is None or (not rank.backwards and {each.first for each in alike}.issuperset(rank.within))


def numbered(column: Column, node: exp.Expr, order: exp.Expr, row: Column, alike: Iterable[Pair]) -> Column:
    """Say of the number of a row that it lies as `row`, the first column of the order, among rows that are alike.

    Only the numbers of the same rows can be compared: those of a query that reads the same.
    """
    within = tuple(sorted({UNSEEN if each.compared == PART else each.first for each in alike}))
    rank = Rank(placed_by(row), within, bool(order.expressions[0].args.get("desc")))
    shift = EXACT._replace(terms=f"{window_function(node).key} {rank} of {_rows(node.parent_select)}", rank=rank)
    return replace(column, shift=shift, plain=shift)


def _rows(select: exp.Select | None) -> str:
    """Return the text of what says which rows a query has."""
    parts = [] if select is None else [part for name in OF_ROWS for part in ensure_list(select.args.get(name))]
    return " ".join(each.sql() for each in parts)
