"""The champion on rows that it was not trained on: the test rows of a training, and rows labelled since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from sqlglot import exp

from mlbridge.catalogue.metrics import greater_is_better
from mlbridge.engines.warehouse import column, non_empty_batches, select
from mlbridge.errors import ArtifactError, FeatureError, ScoringError, listed
from mlbridge.evaluation.blocks import ROW, Blocks
from mlbridge.evaluation.intervals import CONFIDENCE, SamplingError, sampling_error, t_quantile
from mlbridge.evaluation.metrics import measure
from mlbridge.evaluation.sample import Sample
from mlbridge.features.columns import target_type
from mlbridge.features.frame import FETCH_BATCH_ROWS, TARGET, scoring_columns
from mlbridge.scoring.unscorable_rows import scored_rows, unscorable_reasons
from mlbridge.split.checks import MIN_ROWS
from mlbridge.split.holdout import block_column
from mlbridge.typing import Array, Floats, Integers

if TYPE_CHECKING:
    from mlbridge.engines.warehouse import Warehouse
    from mlbridge.registry.versions import Version
    from mlbridge.spec.specification import Spec

MOMENT, BLOCK = "ml time", "ml block"
QUANTILE = 1.96  # of the normal distribution, for a 95 % interval
# With fewer newer rows, the metric depends more on chance than on the champion.
MIN_NEW_ROWS = 100


@dataclass(frozen=True)
class Incumbent:
    """The scores of the champion (under a pin, of the version promoted last) on the test rows at `positions`.

    If there are none, `problem` says why. Then `usable` is True if only too few test rows are unseen by the champion; a
    challenger is not promoted in that case. It is False if the champion predicts something else, uses a
    feature that the spec excludes, cannot score the test rows, or may have been trained on them; a challenger is then
    promoted without the comparison. `scores` has the shape (positions, classes), or (positions,) for a regression.
    `features` are the champion's feature names.
    """

    number: int
    positions: Integers
    scores: Floats
    problem: str | None = None
    usable: bool = True
    features: tuple[str, ...] = ()


def score_champion(
    warehouse: Warehouse,
    split: exp.Expression,
    columns: Mapping[str, str],
    champion: Version,
    spec: Spec,
    classes: tuple[str, ...] | None,
) -> Incumbent:
    """Score the test rows with the champion, in the frame's order; `columns` are the types of the split's columns."""
    nothing = np.empty(0, dtype=np.int64), np.empty(0)

    def without(problem: str, usable: bool) -> Incumbent:
        return Incumbent(champion.number, *nothing, problem, usable)

    if not champion.same_question(spec):
        return without("it predicts another target, or its entity or time column is another one", usable=False)
    if classes != champion.classes:
        return without(f"its classes are {listed(champion.classes or ())}", usable=False)
    excluded_features = champion.excluded_features(spec, columns)
    if excluded_features:
        return without(
            f"the spec now excludes {listed(excluded_features)}, which that version uses as a feature", usable=False
        )
    lacking = champion.schema_difference(columns)
    if lacking is not None:
        return without(f"it could not score these rows: {lacking}", usable=False)
    try:
        positions, times, scores = _scores(warehouse, split, champion, spec)
    except (ArtifactError, ScoringError) as error:
        return without(str(error), usable=False)
    if champion.holdout_from is None and champion.spec.split != spec.split:
        return without("the split has changed, so it may have been trained on some of these test rows", usable=False)
    if champion.holdout_from is not None:
        new = times >= np.datetime64(champion.holdout_from)
        positions, scores = positions[new], scores[new]
    if len(positions) < MIN_ROWS["test"]:
        return without(f"only {len(positions)} test rows are both unseen by it and scorable", usable=True)
    features = tuple(each.name for each in champion.features)
    return Incumbent(champion.number, positions, scores, features=features)


def _scores(warehouse: Warehouse, split: exp.Expression, champion: Version, spec: Spec) -> list[Array]:
    chosen = {MOMENT: exp.cast(column(spec.time), "timestamp"), **scoring_columns(champion.features)}
    query = select(chosen, split).where(column("ml_split").eq(exp.Literal.string("test")))
    return _streamed(warehouse, query, champion, spec, MOMENT)


@dataclass(frozen=True)
class RecordedMetric:
    """The spec's metric as the logbook records it for the test rows of a version's training.

    `value` is None if the metric was not defined. `error` is its standard error over `rows` rows, None if unknown.
    `block` is the unit of the blocks; None for versions before 0.6, which treated rows as independent.
    """

    value: float | None
    error: float | None = None
    rows: int | None = None
    block: str | None = None
    design_effect: float | None = None


@dataclass(frozen=True)
class Decay:
    """How much worse the champion's metric is on rows that were labelled after its training.

    `lost` is how much worse the metric is than on the test rows of the champion's training, in the metric's unit;
    negative if it is better, None if `problem` says why it cannot be measured. `low` and `high` are its 95 % interval.
    `now` is the metric on the newer rows, `rows` their number; None if they were not counted.
    """

    rows: int | None = None
    lost: float | None = None
    problem: str | None = None
    low: float | None = None
    high: float | None = None
    now: float | None = None

    def is_beyond(self, limit: float) -> bool:
        """Return whether the loss exceeds the limit, and its 95 % interval lies above zero."""
        return self.lost is not None and self.lost > limit and self.low is not None and self.low > 0


def decay(
    warehouse: Warehouse,
    split: exp.Expression,
    columns: Mapping[str, str],
    champion: Version,
    recorded: RecordedMetric,
    spec: Spec,
) -> Decay:
    """Measure, in the spec's metric, how much worse the champion is on rows labelled after its training.

    `recorded` is the metric on the test rows of its training. If those were later than the training rows
    (`holdout_from`), only rows from then on are used here: late outcomes of older rows do not show today's performance.
    Where it cannot be measured, `problem` of the result says why; no error is raised.
    """
    if not champion.same_question(spec):
        return Decay(problem="it predicts another target, or its entity or time column is another one")
    if recorded.value is None:
        return Decay(problem=f"{spec.metric} was not defined on its test rows")
    label_time = champion.spec.label_time or champion.spec.time
    if label_time not in columns:
        return Decay(problem=f"the split lacks the column '{label_time}', which tells when outcomes became known")
    newer = known_after(spec.target, label_time, champion.as_of)
    if champion.holdout_from is not None:
        newer.append(_moment(spec.time) >= _literal(champion.holdout_from))
    count = exp.select(exp.alias_(exp.Count(this=exp.Star()), "rows")).from_(split).where(*newer)
    rows = int(warehouse.row(count)["rows"])
    if rows < MIN_NEW_ROWS:
        return Decay(rows, problem=f"only {rows} newer rows of at least {MIN_NEW_ROWS}")
    lacking = champion.schema_difference(columns)
    if lacking is not None:
        return Decay(rows, problem=f"it cannot score the newer rows: {lacking}")
    unit = recorded.block or "day"
    block = block_column(unit, _moment(spec.time), spec.entity, list(columns))
    try:
        sample, labels = _sample(warehouse, split, columns, champion, spec, newer, block)
    except (ArtifactError, FeatureError, ScoringError) as error:
        return Decay(rows, problem=str(error))
    now = measure(sample)[spec.metric]
    if now is None:
        return Decay(rows, problem=f"{spec.metric} is not defined on the {rows:,} newer rows")
    lost = recorded.value - now if greater_is_better(spec.metric) else now - recorded.value
    blocks = Blocks.rows(len(labels)) if unit == ROW else Blocks.of(unit, labels)
    wide = _half_width(recorded, sampling_error(sample, spec.metric, blocks, recorded.design_effect), len(sample))
    return Decay(rows, lost, low=lost - wide, high=lost + wide, now=now)


def _half_width(recorded: RecordedMetric, found: SamplingError, rows: int) -> float:
    """Return half the width of the 95 % interval of the difference of two independent samples.

    `found` is the sampling error on the newer rows. If that of the older rows is not recorded, it is derived from
    `found` and the numbers of rows.
    """
    error = found.error
    alike = error * (rows / recorded.rows) ** 0.5 if recorded.rows else error
    then = recorded.error if recorded.error is not None else alike
    # Versions before 0.6 treated rows as independent, so their interval may be too narrow.
    then = then if recorded.block else max(then, alike)
    return t_quantile(max(found.dof, 1), CONFIDENCE) * float(np.hypot(error, then))


def known_after(target: str, label_time: str, moment: datetime) -> list[exp.Expression]:
    """Return SQL conditions for rows whose outcome became known after a moment (UTC)."""
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
) -> tuple[Sample, Array]:
    known = exp.cast(column(spec.target), target_type(champion.node, columns, spec))
    truth = known if champion.classes is None else exp.cast(known, "text")
    query = select({TARGET: truth, BLOCK: block, **scoring_columns(champion.features)}, split).where(*where)
    _, labels, blocks, scores = _streamed(warehouse, query, champion, spec, TARGET, BLOCK)
    if champion.classes is None:
        return Sample(labels, scores), blocks
    codes = {label: code for code, label in enumerate(champion.classes)}
    strange = sorted(set(labels) - set(codes))
    if strange:
        raise ScoringError(f"the outcome {listed(strange)} is none of its classes {listed(codes)}")
    return Sample(np.array([codes[label] for label in labels]), scores), blocks


def _streamed(warehouse: Warehouse, query: exp.Select, version: Version, spec: Spec, *beside: str) -> list[Array]:
    """Score what a query gives, batch by batch, by time and entity.

    Returns the positions of the rows that the version can score, its columns `beside` of these rows, and the scores.
    """
    query = query.select(
        *(exp.alias_(reason, name, quoted=True) for name, reason in unscorable_reasons(version.features).items())
    )
    query = query.order_by(column(spec.time), *(column(name) for name in spec.entity))
    found: list[list[Array]] = [[] for _ in range(len(beside) + 2)]
    rows = 0
    for batch in non_empty_batches(warehouse.batches(query, FETCH_BATCH_ROWS)):
        positions, scores, _ = scored_rows(version, batch)
        values = [batch[name].to_numpy(zero_copy_only=False)[positions] for name in beside]
        for parts, part in zip(found, [positions + rows, *values, scores], strict=True):
            parts.append(part)
        rows += batch.num_rows
    return [np.concatenate(parts) for parts in found]
