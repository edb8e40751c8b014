"""Finds the rows that a version cannot score, with the reason for each, so that all other rows are scored.

A row is unscorable if a feature is infinite, if it is finite but too large for a 32-bit float and the version's
estimator rejects it (trees do, linear models do not), or if the estimator rejects it for another reason, such as a
missing value where the training saw none. `macros/score/unscored.sql` has the same rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from sqlglot import exp

from mlbridge.engines.warehouse import column, is_infinite, parse_type
from mlbridge.features.columns import Feature
from mlbridge.features.frame import scoring_frame
from mlbridge.features.large_numbers import FLOAT32_OVERFLOW
from mlbridge.scoring.refused_rows import Halves
from mlbridge.typing import Floats, Integers

if TYPE_CHECKING:
    import pyarrow as pa

    from mlbridge.registry.versions import Version

INFINITE, LARGE = "ml infinite", "ml large"
NAMED_ROWS = 3
# By reason: how many rows, and the first of them by time and entity.
Unscored = dict[str, tuple[int, list[tuple[datetime, str]]]]


def unscorable_reasons(features: Sequence[Feature]) -> dict[str, exp.Expression]:
    """Return two SQL expressions over rows of the split: the reason if a feature is infinite, and if one is too large.

    They name the first such feature, and are NULL if there is none.
    """
    floats = [each for each in features if parse_type(each.type).is_type(*exp.DataType.REAL_TYPES)]
    return {
        INFINITE: _first(floats, is_infinite, "is infinite"),
        LARGE: _first(floats, _beyond, "is beyond 3.4e38, which the version's estimator does not take"),
    }


def _first(floats: Sequence[Feature], test: Callable[[exp.Expression], exp.Expression], problem: str) -> exp.Expression:
    ifs = [
        exp.If(
            this=test(exp.cast(column(each.name), "double")),
            true=exp.Literal.string(f"the feature '{each.name}' {problem}"),
        )
        for each in floats
    ]
    return exp.cast(exp.Case(ifs=ifs) if ifs else exp.null(), "text")


def _beyond(value: exp.Expression) -> exp.Expression:
    """Return the condition that a double is finite but too large for a 32-bit float; NaN is ordered above infinity."""
    size = exp.Abs(this=value)
    limit = exp.GTE(this=size, expression=exp.Literal.number(repr(FLOAT32_OVERFLOW)))
    finite = exp.LT(this=size.copy(), expression=exp.cast(exp.Literal.string("infinity"), "double"))
    return exp.And(this=limit, expression=finite)


def scored_rows(version: Version, batch: pa.RecordBatch) -> tuple[Integers, Floats, list[str | None] | None]:
    """Score the rows of a batch that can be scored.

    Returns their positions and scores, and for every row of the batch the reason why it is not scored, or None; instead
    of these reasons None if all rows are scored. Raises ScoringError for any other problem.
    """
    import pyarrow.compute as pc

    frame = scoring_frame(batch, version.features, version.categories)
    with_infinity, is_large = (pc.is_valid(batch[name]).to_numpy(zero_copy_only=False) for name in (INFINITE, LARGE))
    is_large &= ~with_infinity
    every = np.arange(len(frame))
    halves = Halves(version, frame)
    for positions in (every[~(with_infinity | is_large)], every[is_large]):
        if len(positions):
            halves.score(positions)
    if len(halves.scored) == 1 and len(halves.scored[0][0]) == len(every):
        return every, halves.scored[0][1], None
    by_value = pc.coalesce(batch[INFINITE], batch[LARGE]).to_pylist()
    reasons = [known or halves.reasons.get(position) for position, known in enumerate(by_value)]
    for positions, _ in halves.scored:
        for position in positions:
            reasons[position] = None
    if not halves.scored:
        return every[:0], np.empty(0 if version.classes is None else (0, len(version.classes))), reasons
    positions, scores = (np.concatenate(each) for each in zip(*halves.scored, strict=True))
    order = np.argsort(positions)
    return positions[order], scores[order], reasons if len(order) < len(every) else None


def count_unscored(found: Unscored, reasons: Iterable[str | None], rows: Iterable[tuple[datetime, str]]) -> None:
    """Add rows, given by time and entity, to the counts by reason."""
    for why, row in zip(reasons, rows, strict=True):
        if why is not None:
            number, first = found.get(why, (0, []))
            found[why] = (number + 1, sorted([*first, row])[:NAMED_ROWS])


def unscored_message(number: int, found: Unscored) -> str:
    """Describe how many rows a version gives no prediction for, why, and which are the first."""
    parts = []
    for why, (rows, first) in sorted(found.items()):
        more = f" and {rows - NAMED_ROWS:,} more" if rows > NAMED_ROWS else ""
        parts.append(f"{why} ({', '.join(entity for _, entity in first)}{more})")
    return (
        f"version {number} gives no prediction for {sum(rows for rows, _ in found.values()):,} row(s): "
        f"{'; '.join(parts)}. Correct these values in the features node; a later build then scores the rows."
    )
