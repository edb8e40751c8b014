"""The check before a promotion that a version loaded from its artifact gives the scores on which it was evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sqlglot import exp

from mlbridge.engines.warehouse import as_text, column, subquery
from mlbridge.errors import ArtifactError, ScoringError
from mlbridge.scoring.rows import ENTITY, scored_columns
from mlbridge.scoring.unscorable_rows import scored_rows
from mlbridge.typing import Floats

if TYPE_CHECKING:
    import pyarrow as pa

    from mlbridge.engines.warehouse import Warehouse
    from mlbridge.registry.versions import Version

# How many test rows are scored again at most, and in how many batches.
PROVED_ROWS, BATCHES = 20_000, 3
# The order of summation in a matrix product depends on the batch size, and changes a score by less than this.
TOLERANCE = 1e-12
TEST, POSITION, RANDOM_ORDER = "ml_test_rows", "ml position", "ml chance"


def score_difference(
    version: Version, warehouse: Warehouse, split: exp.Expression, evaluated_scores: Floats
) -> str | None:
    """Score test rows as a later build will; return how the scores differ from the evaluated ones, or None.

    `evaluated_scores` are the scores of all test rows, ordered by time and entity: (rows, classes), or (rows,) for a
    regression. All test rows, at most `PROVED_ROWS`, are scored again in the order of their keys' MD5, so in another
    order and in other batches. This finds estimators that depend on other rows, on random draws or on a state. A
    probability may differ by `TOLERANCE`, a number by `TOLERANCE` relative to its size.
    """
    rows = warehouse.batches(_query(version, split), PROVED_ROWS).read_all()
    positions = rows[POSITION].to_numpy()
    expected = evaluated_scores[positions]
    try:
        found = _scores(version, rows, expected)
    except (ArtifactError, ScoringError) as error:
        return f"read back from its artifact, it cannot score the test rows: {error}"
    size = 1.0 if version.classes is not None else np.maximum(np.abs(expected), np.median(np.abs(evaluated_scores)))
    gap = np.abs(found - expected)
    wrong = ~(gap <= TOLERANCE * size).reshape(len(rows), -1).all(axis=1)
    if not wrong.any():
        return None
    first = min(np.flatnonzero(wrong), key=lambda each: int(positions[each]))
    return (
        "read back from its artifact and run as a build runs it, it gives other scores than it was evaluated by for "
        f"{int(wrong.sum()):,} of {len(rows):,} test rows, by up to {np.nanmax(gap[wrong]):.3g}; the first is the "
        f"entity {rows[ENTITY][int(first)]}. A row must get the same score in any batch, order and process"
    )


def _query(version: Version, split: exp.Expression) -> exp.Select:
    key = [*version.spec.entity, version.spec.time]
    order = exp.Order(expressions=[exp.Ordered(this=column(name)) for name in (key[-1], *key[:-1])])
    number = exp.Window(this=exp.RowNumber(), order=order)
    chosen = {**scored_columns(version), POSITION: exp.Sub(this=number, expression=exp.Literal.number(1))}
    chosen[RANDOM_ORDER] = exp.MD5(this=as_text(key))
    test = exp.select(*(exp.alias_(value, name, quoted=True) for name, value in chosen.items())).from_(split)
    test = test.where(column("ml_split").eq(exp.Literal.string("test")))
    return (
        exp.select("*").from_(subquery(test, TEST)).order_by(column(RANDOM_ORDER), column(POSITION)).limit(PROVED_ROWS)
    )


def _scores(version: Version, rows: pa.Table, like: Floats) -> Floats:
    """Score rows batch by batch; NaN where one gets no score."""
    found = np.full_like(like, np.nan)
    step = -(-len(rows) // BATCHES)
    for start in range(0, len(rows), step):
        (batch,) = rows.slice(start, step).combine_chunks().to_batches()
        positions, scores, _ = scored_rows(version, batch)
        found[start + positions] = scores
    return found
