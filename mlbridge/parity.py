"""The proof before a promotion: read back and run as a build runs it, a version gives the scores it was judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sqlglot import exp

from mlbridge.errors import ArtifactError, ScoringError
from mlbridge.score import ENTITY, scored_columns
from mlbridge.unscored import scored_rows
from mlbridge.warehouse import as_text, column, subquery

if TYPE_CHECKING:
    from mlbridge.versions import Version
    from mlbridge.warehouse import Warehouse

# So many test rows are scored again, in so many batches.
PROVED_ROWS, BATCHES = 20_000, 3
# What the order of the sums of a matrix product may make of one score: it depends on the size of the batch.
TOLERANCE = 1e-12
TEST, PLACE, CHANCE = "ml_test_rows", "ml place", "ml chance"


def proof(version: Version, warehouse: Warehouse, split: exp.Expression, judged: np.ndarray[Any, Any]) -> str | None:
    """Score test rows as a later build will, and say how that differs from what was judged; None where it does not.

    `judged` are the scores of all test rows by time and entity. Scored again are all of them or `PROVED_ROWS`, by the
    MD5 of their keys and so in another order and in other batches: what looks at other rows, draws at random or keeps
    a state is found. A score may differ by `TOLERANCE`, a number's relatively.
    """
    rows = warehouse.batches(_query(version, split), PROVED_ROWS).read_all()
    places = rows[PLACE].to_numpy()
    expected = judged[places]
    try:
        found = _scores(version, rows, expected)
    except (ArtifactError, ScoringError) as error:
        return f"read back from its artifact, it cannot score the test rows: {error}"
    size = 1.0 if version.classes is not None else np.maximum(np.abs(expected), np.median(np.abs(judged)))
    gap = np.abs(found - expected)
    wrong = ~(gap <= TOLERANCE * size).reshape(len(rows), -1).all(axis=1)
    if not wrong.any():
        return None
    first = min(np.flatnonzero(wrong), key=lambda each: int(places[each]))
    return (
        "read back from its artifact and run as a build runs it, it gives other scores than it was judged by for "
        f"{int(wrong.sum()):,} of {len(rows):,} test rows, by up to {np.nanmax(gap[wrong]):.3g}; the first is the "
        f"entity {rows[ENTITY][int(first)]}. A row must get the same score in any batch, order and process"
    )


def _query(version: Version, split: exp.Expression) -> exp.Select:
    key = [*version.spec.entity, version.spec.time]
    order = exp.Order(expressions=[exp.Ordered(this=column(name)) for name in (key[-1], *key[:-1])])
    number = exp.Window(this=exp.RowNumber(), order=order)
    chosen = {**scored_columns(version), PLACE: exp.Sub(this=number, expression=exp.Literal.number(1))}
    chosen[CHANCE] = exp.MD5(this=as_text(key))
    test = exp.select(*(exp.alias_(value, name, quoted=True) for name, value in chosen.items())).from_(split)
    test = test.where(column("ml_split").eq(exp.Literal.string("test")))
    return exp.select("*").from_(subquery(test, TEST)).order_by(column(CHANCE), column(PLACE)).limit(PROVED_ROWS)


def _scores(version: Version, rows: Any, like: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Score rows batch by batch; NaN where one gets no score."""
    found = np.full_like(like, np.nan)
    step = -(-len(rows) // BATCHES)
    for start in range(0, len(rows), step):
        (batch,) = rows.slice(start, step).combine_chunks().to_batches()
        places, scores, _ = scored_rows(version, batch)
        found[start + places] = scores
    return found
