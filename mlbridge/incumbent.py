"""The champion on rows that it has not seen: the test rows where a challenger meets it, and what became known since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlglot import exp

from mlbridge.blocks import ROW, Blocks
from mlbridge.errors import ArtifactError, FeatureError, ScoringError, listed
from mlbridge.evaluate import Sample, greater_is_better, measure
from mlbridge.features import target_type
from mlbridge.frame import BATCH_ROWS, TARGET, scoring_columns
from mlbridge.intervals import CONFIDENCE, Spread, spread, student
from mlbridge.resampling import block_column
from mlbridge.split import MIN_ROWS
from mlbridge.unscored import scored_rows, words
from mlbridge.warehouse import batched, column, select

if TYPE_CHECKING:
    from mlbridge.spec import Spec
    from mlbridge.versions import Version
    from mlbridge.warehouse import Warehouse

MOMENT, BLOCK = "ml time", "ml block"
QUANTILE = 1.96
# A metric on fewer newer rows says more of chance than of the champion.
LEAST_NEWER = 100


@dataclass(frozen=True)
class Incumbent:
    """The champion's scores on test rows, given by their places; or the `problem` why there are none.

    `usable` is whether it could still score new rows, so that it has something to lose. `features` are those it knows.
    """

    number: int
    places: np.ndarray[Any, Any]
    scores: np.ndarray[Any, Any]
    problem: str | None = None
    usable: bool = True
    features: tuple[str, ...] = ()


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
    forbidden = champion.forbidden(spec, columns)
    if forbidden:
        return without(f"the spec now excludes {listed(forbidden)}, on which that version rests", usable=False)
    lacking = champion.lacks(columns)
    if lacking is not None:
        return without(f"it could not score these rows: {lacking}", usable=False)
    try:
        places, times, scores = _scores(warehouse, split, champion, spec)
    except (ArtifactError, ScoringError) as error:
        return without(str(error), usable=False)
    if champion.holdout_from is None and champion.spec.split != spec.split:
        return without("the split has changed, and it may have been trained on rows of this test", usable=False)
    if champion.holdout_from is not None:
        new = times >= np.datetime64(champion.holdout_from)
        places, scores = places[new], scores[new]
    if len(places) < MIN_ROWS["test"]:
        return without(f"only {len(places)} test rows are new to it, and can be scored by it", usable=True)
    features = tuple(each.name for each in champion.features)
    return Incumbent(champion.number, places, scores, features=features)


def _scores(warehouse: Warehouse, split: exp.Expression, champion: Version, spec: Spec) -> list[Any]:
    chosen = {MOMENT: exp.cast(column(spec.time), "timestamp"), **scoring_columns(champion.features)}
    query = select(chosen, split).where(column("ml_split").eq(exp.Literal.string("test")))
    return _streamed(warehouse, query, champion, spec, MOMENT)


@dataclass(frozen=True)
class Stated:
    """What was stated of a version's test rows in the spec's metric, None where it was not defined.

    `error` is its standard error over `rows`, None where unknown; `block` says which rows were drawn together for it,
    None before 0.6, when none were.
    """

    value: float | None
    error: float | None = None
    rows: int | None = None
    block: str | None = None
    design_effect: float | None = None


@dataclass(frozen=True)
class Decay:
    """What the champion lost on the rows that became known after its training.

    `lost` is what its metric is worse by than on the test rows of then, in the metric's unit, negative where it is
    better; None where `problem` says why nobody knows. `rows` were counted; None where it did not come to that.
    `low` and `high` are the 95 % interval of what is lost, `now` the metric on the newer rows.
    """

    rows: int | None = None
    lost: float | None = None
    problem: str | None = None
    low: float | None = None
    high: float | None = None
    now: float | None = None

    def is_beyond(self, limit: float) -> bool:
        """Say whether more than the limit is lost, and chance does not explain that something is."""
        return self.lost is not None and self.lost > limit and self.low is not None and self.low > 0


def decay(
    warehouse: Warehouse,
    split: exp.Expression,
    columns: Mapping[str, str],
    champion: Version,
    stated: Stated,
    spec: Spec,
) -> Decay:
    """Measure the champion on the labelled rows that became known after it was trained; all of it in the spec's metric.

    `stated` is its value on the test rows of its training. Where those came last, so do the rows here: an outcome of
    older rows that came late says nothing of how it does today. What made it impossible is said as the `problem`.
    """
    if not champion.same_question(spec):
        return Decay(problem="it predicts another target, or by another key")
    if stated.value is None:
        return Decay(problem=f"{spec.metric} was not defined on its test rows")
    label_time = champion.spec.label_time or champion.spec.time
    if label_time not in columns:
        return Decay(problem=f"the split has no '{label_time}' any more, by which it was known what it could know")
    newer = known_after(spec.target, label_time, champion.as_of)
    if champion.holdout_from is not None:
        newer.append(_moment(spec.time) >= _literal(champion.holdout_from))
    count = exp.select(exp.alias_(exp.Count(this=exp.Star()), "rows")).from_(split).where(*newer)
    rows = int(warehouse.row(count)["rows"])
    if rows < LEAST_NEWER:
        return Decay(rows, problem=f"only {rows} newer rows of at least {LEAST_NEWER}")
    lacking = champion.lacks(columns)
    if lacking is not None:
        return Decay(rows, problem=f"it cannot score the newer rows: {lacking}")
    unit = stated.block or "day"
    block = block_column(unit, _moment(spec.time), spec.entity, list(columns))
    try:
        sample, labels = _sample(warehouse, split, columns, champion, spec, newer, block)
    except (ArtifactError, FeatureError, ScoringError) as error:
        return Decay(rows, problem=str(error))
    now = measure(sample)[spec.metric]
    if now is None:
        return Decay(rows, problem=f"{spec.metric} is not defined on the {rows:,} newer rows")
    lost = stated.value - now if greater_is_better(spec.metric) else now - stated.value
    blocks = Blocks.rows(len(labels)) if unit == ROW else Blocks.of(unit, labels)
    wide = _half_width(stated, spread(sample, spec.metric, blocks, stated.design_effect), len(sample))
    return Decay(rows, lost, low=lost - wide, high=lost + wide, now=now)


def _half_width(stated: Stated, found: Spread, rows: int) -> float:
    """Give half the 95 % interval of the difference of two independent samples, of which `found` is the newer one's."""
    error = found.error
    alike = error * (rows / stated.rows) ** 0.5 if stated.rows else error
    then = stated.error if stated.error is not None else alike
    # An interval of before 0.6 takes rows for independent of each other, and may be too narrow.
    then = then if stated.block else max(then, alike)
    return student(max(found.freedom, 1), CONFIDENCE) * float(np.hypot(error, then))


def known_after(target: str, label_time: str, moment: datetime) -> list[exp.Expression]:
    """Give the conditions on rows whose outcome is known, and was not at that moment (UTC)."""
    return [exp.not_(column(target).is_(exp.null())), _moment(label_time) > _literal(moment)]


def _moment(name: str) -> exp.Expression:
    return exp.cast(column(name), "timestamp")


def _literal(moment: datetime) -> exp.Expression:
    return exp.cast(exp.Literal.string(moment.isoformat(sep=" ")), "timestamp")


def _sample(
    warehouse: Warehouse,
    split: exp.Expression,
    columns: Mapping[str, str],
    champion: Version,
    spec: Spec,
    where: Sequence[exp.Expression],
    block: exp.Expression,
) -> tuple[Sample, Any]:
    known = exp.cast(column(spec.target), target_type(champion.node, columns, spec))
    truth = known if champion.classes is None else exp.cast(known, "text")
    query = select({TARGET: truth, BLOCK: block, **scoring_columns(champion.features)}, split).where(*where)
    _, labels, blocks, scores = _streamed(warehouse, query, champion, spec, TARGET, BLOCK)
    if champion.classes is None:
        return Sample(labels, scores), blocks
    places = {label: place for place, label in enumerate(champion.classes)}
    strange = sorted(set(labels) - set(places))
    if strange:
        raise ScoringError(f"the outcome {listed(strange)} is none of its classes {listed(places)}")
    return Sample(np.array([places[label] for label in labels]), scores), blocks


def _streamed(warehouse: Warehouse, query: exp.Select, version: Version, spec: Spec, *beside: str) -> list[Any]:
    """Score what a query gives, batch by batch, by time and entity.

    Gives the places of the rows that the version can score, its columns `beside` of these rows, and then the scores.
    """
    query = query.select(*(exp.alias_(said, name, quoted=True) for name, said in words(version.features).items()))
    query = query.order_by(column(spec.time), *(column(name) for name in spec.entity))
    found: list[list[Any]] = [[] for _ in range(len(beside) + 2)]
    rows = 0
    for batch in batched(warehouse.batches(query, BATCH_ROWS)):
        places, scores, _ = scored_rows(version, batch)
        values = [batch[name].to_numpy(zero_copy_only=False)[places] for name in beside]
        for parts, part in zip(found, [places + rows, *values, scores], strict=True):
            parts.append(part)
        rows += batch.num_rows
    return [np.concatenate(parts) for parts in found]
