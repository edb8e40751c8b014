"""The champion as the challenger meets it: its scores on the test rows that neither of them has seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlglot import exp

from mlbridge.errors import ArtifactError, ScoringError, listed
from mlbridge.frame import BATCH_ROWS, scoring_columns, scoring_frame
from mlbridge.split import MIN_ROWS
from mlbridge.warehouse import batched, column, select

if TYPE_CHECKING:
    from mlbridge.spec import Spec
    from mlbridge.versions import Version
    from mlbridge.warehouse import Warehouse

MOMENT = "ml time"


@dataclass(frozen=True)
class Incumbent:
    """The champion's scores on test rows, given by their places; or the `problem` why there are none.

    `usable` is whether it could still score new rows, so that it has something to lose.
    """

    number: int
    places: np.ndarray[Any, Any]
    scores: np.ndarray[Any, Any]
    problem: str | None = None
    usable: bool = True


def meet(
    warehouse: Warehouse,
    split: exp.Expression,
    columns: Mapping[str, str],
    champion: Version,
    spec: Spec,
    classes: tuple[str, ...] | None,
) -> Incumbent:
    """Score the test rows with the champion, in the frame's order; `columns` are the types of the split's columns."""
    nothing = np.empty(0)

    def without(problem: str, usable: bool) -> Incumbent:
        return Incumbent(champion.number, nothing, nothing, problem, usable)

    if not champion.same_question(spec):
        return without("it predicts another target, or by another key", usable=False)
    if classes != champion.classes:
        return without(f"its classes are {listed(champion.classes or ())}", usable=False)
    try:
        champion.check_schema(columns)
        times, scores = _scores(warehouse, split, champion, spec)
    except (ArtifactError, ScoringError) as error:
        return without(str(error), usable=False)
    if champion.holdout_from is None and champion.spec.split != spec.split:
        return without("the split has changed, and it may have been trained on rows of this test", usable=False)
    places = np.arange(len(times))
    if champion.holdout_from is not None:
        places = np.flatnonzero(times >= np.datetime64(champion.holdout_from))
    if len(places) < MIN_ROWS["test"]:
        return without(f"only {len(places)} test rows are new to it", usable=True)
    return Incumbent(champion.number, places, scores[places])


def _scores(warehouse: Warehouse, split: exp.Expression, champion: Version, spec: Spec) -> tuple[Any, Any]:
    chosen = {MOMENT: exp.cast(column(spec.time), "timestamp"), **scoring_columns(champion.features)}
    query = select(chosen, split).where(column("ml_split").eq(exp.Literal.string("test")))
    query = query.order_by(column(spec.time), *(column(name) for name in spec.entity))
    times, scores = [], []
    for batch in batched(warehouse.batches(query, BATCH_ROWS)):
        scores.append(champion.scores(scoring_frame(batch, champion.features)))
        times.append(batch[MOMENT].to_numpy(zero_copy_only=False))
    return np.concatenate(times), np.concatenate(scores)
