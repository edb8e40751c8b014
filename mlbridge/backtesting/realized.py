"""The realized metric of a replay's versions, once the outcomes of the rows that they scored are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from sqlglot import exp

from mlbridge.engines.warehouse import as_text, column, select
from mlbridge.evaluation.blocks import ENTITY, PERIODS, ROW, Blocks, choose_unit, period_blocks
from mlbridge.evaluation.intervals import interval, sampling_error
from mlbridge.evaluation.metrics import json_number, metric_value
from mlbridge.evaluation.sample import Sample, Weighted
from mlbridge.features.frame import FETCH_BATCH_ROWS
from mlbridge.spec.specification import Spec
from mlbridge.split.holdout import numeric_targets
from mlbridge.typing import Floats, Integers

if TYPE_CHECKING:
    import pyarrow as pa

    from mlbridge.engines.warehouse import Warehouse

SCORED, ROWS, BLOCK_LABEL = "scored", "rows", "block_label"


@dataclass(frozen=True)
class Span:
    """The time from one step to the next, its end included, and the version that was in use; times are UTC."""

    start: datetime
    end: datetime
    version: int


@dataclass(frozen=True)
class Realized:
    """The spec's metric over `n` rows with a known outcome; `value` is None if it is not defined, as without rows.

    `low` and `high` are its 95 % interval by `blocks` blocks of the unit `block`; None if it cannot be computed.
    """

    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    block: str | None = None
    blocks: int = 0


def realized(
    warehouse: Warehouse,
    tables: Mapping[str, exp.Table],
    spec: Spec,
    spans: Sequence[Span],
    classes: Mapping[int, Sequence[str] | None],
) -> tuple[list[Realized], Realized]:
    """Measure each span's version on the rows of its span, and then all the spans' rows together.

    `tables` are `split` and `predictions` as the last step left them, `classes` those of each version in the order of
    its probabilities. Only rows whose outcome is known at the last step count. An outcome that is no class of the
    version counts as a class with the probability 0.
    """
    if not spans:
        return [], Realized(None, 0)
    query = _query(tables, spec, spans, many=any(len(names or ()) > 2 for names in classes.values()))
    rows = warehouse.batches(query, FETCH_BATCH_ROWS).read_all()
    sample = _numbers(rows) if spec.task == "regression" else _classes(rows, classes)
    numbers, blocks = rows["span"].to_numpy(), _blocks(rows, spec, sample)
    each = [numbers == number for number in range(len(spans))]
    parts = [_measured(sample.take(part), blocks.take(part), spec.metric) for part in each]
    return parts, _measured(sample, blocks, spec.metric)


def _blocks(rows: pa.Table, spec: Spec, sample: Sample) -> Blocks:
    """Return the blocks of the rows: by the spec's unit, else by the unit that a training would choose."""
    if spec.promote.block == ROW or not len(rows):
        return Blocks.rows(len(rows))
    times = rows["moment"].to_numpy()
    labels = rows[BLOCK_LABEL].to_numpy() if BLOCK_LABEL in rows.column_names else times
    classes = sample.scores.shape[1] if sample.task == "classification" else 0
    unit = spec.promote.block or choose_unit(times, numeric_targets(sample.truth, classes), labels)
    if unit == ROW:
        return Blocks.rows(len(rows))
    return period_blocks(unit, times) if unit in PERIODS else Blocks.of(unit, labels)


def _measured(sample: Sample, blocks: Blocks, metric: str) -> Realized:
    found = json_number(metric_value(Weighted(sample), metric)) if len(sample) else None
    if found is None:
        return Realized(None, len(sample))
    low, high = interval(sample, metric, found, sampling_error(sample, metric, blocks))
    return Realized(found, len(sample), low, high, blocks.unit, blocks.count)


def _query(tables: Mapping[str, exp.Table], spec: Spec, spans: Sequence[Span], many: bool) -> exp.Select:
    """Select span, version, score and outcome of each row that the version of its span scored; always in one order."""
    moment, version = column("time", SCORED), column("version", SCORED)
    within = [
        exp.and_(
            exp.GT(this=moment.copy(), expression=exp.convert(span.start)),
            exp.LTE(this=moment.copy(), expression=exp.convert(span.end)),
            version.copy().eq(exp.convert(span.version)),
        )
        for span in spans
    ]
    span_number = exp.Case(
        ifs=[exp.If(this=each.copy(), true=exp.convert(number)) for number, each in enumerate(within)]
    )
    target = column(spec.target, ROWS)
    known = exp.not_(target.copy().is_(exp.null()))
    picked: dict[str, exp.Expression] = {
        "moment": moment.copy(),
        "span": exp.cast(span_number, "int"),
        "version": version,
        "actual": exp.cast(target, "double" if spec.task == "regression" else "text"),
        "score": column("prediction_value" if spec.task == "regression" else "probability", SCORED),
    }
    keys = {ENTITY: spec.entity}.get(spec.promote.block or ENTITY, (spec.promote.block,))
    if spec.promote.block not in (ROW, *PERIODS):
        number = exp.Anonymous(this="dense_rank")
        order = exp.Order(expressions=[exp.Ordered(this=column(str(key), ROWS)) for key in keys])
        picked[BLOCK_LABEL] = exp.Window(this=number, order=order)
    if many:
        picked["scores"] = exp.cast(column("probabilities", SCORED), "array<double>")
    same = exp.and_(
        column("entity", SCORED).eq(as_text(spec.entity, ROWS)),
        moment.copy().eq(exp.cast(column(spec.time, ROWS), "timestamp")),
    )
    scored = exp.alias_(tables["predictions"], SCORED, table=True)
    return (
        select(picked, scored)
        .join(exp.alias_(tables["split"], ROWS, table=True), on=same)
        .where(known, exp.not_(picked["score"].copy().is_(exp.null())), exp.or_(*within))
        .order_by(moment.copy(), column("entity", SCORED))
    )


def _numbers(rows: pa.Table) -> Sample:
    return Sample(rows["actual"].to_numpy(), rows["score"].to_numpy())


def _classes(rows: pa.Table, classes: Mapping[int, Sequence[str] | None]) -> Sample:
    """Bring the versions' classes, which need not be the same, into one order of columns."""
    actual = rows["actual"].combine_chunks().dictionary_encode()
    outcomes = actual.dictionary.to_pylist()
    names = list(dict.fromkeys([name for every in classes.values() for name in every or ()] + sorted(outcomes)))
    codes = {name: code for code, name in enumerate(names)}
    truth = np.array([codes[name] for name in outcomes], dtype=np.int64)[actual.indices.to_numpy()]
    scores = np.zeros((len(rows), len(names)))
    versions = rows["version"].to_numpy()
    for version, every in classes.items():
        mine = np.flatnonzero(versions == version)
        columns = np.array([codes[name] for name in every or ()])
        scores[mine[:, None], columns] = _probabilities(rows, mine, len(columns))
    return Sample(truth, scores)


def _probabilities(rows: pa.Table, mine: Integers, classes: int) -> Floats:
    if classes == 2:
        positive = rows["score"].to_numpy()[mine]
        return np.column_stack([1 - positive, positive])
    return np.array(rows["scores"].take(mine).to_pylist(), dtype=np.float64).reshape(len(mine), classes)
