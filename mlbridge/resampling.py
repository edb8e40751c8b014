"""Which of the rows that a model is judged by belong together, and how often they have judged before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlglot import exp

from mlbridge.blocks import ENTITY, PERIODS, ROW, UNITS, Blocks, chosen, periods
from mlbridge.frame import window_start
from mlbridge.spec import Spec, stored_spec
from mlbridge.warehouse import column

if TYPE_CHECKING:
    from mlbridge.frame import Frame
    from mlbridge.sample import Floats
    from mlbridge.warehouse import Warehouse

JUDGING = ("validation", "test")


def blocks_of(
    warehouse: Warehouse, split: exp.Expression, spec: Spec, frame: Frame, outcomes: Floats
) -> dict[str, Blocks]:
    """Give the blocks of the validation and of the test rows, in the frame's order.

    The unit is the spec's `promote.block`, else it is chosen from the test rows, whose targets as numbers are
    `outcomes`. Where the unit is a column, the rows in which it is NULL are one block.
    """
    asked = spec.promote.block
    by_column = () if asked in UNITS else spec.entity if asked is None else (asked,)
    keys = spec.entity if asked == ENTITY else by_column
    labels = _labels(warehouse, split, spec, keys) if keys else {}
    times = {word: frame.times[frame.bounds[word]] for word in JUDGING}
    unit = asked or chosen(times["test"], outcomes, labels["test"])
    if unit == ROW:
        return {word: Blocks.rows(len(times[word])) for word in JUDGING}
    if unit in PERIODS:
        return {word: periods(unit, times[word]) for word in JUDGING}
    return {word: Blocks.of(unit, labels[word]) for word in JUDGING}


def numbers_of(truth: np.ndarray[Any, Any], classes: int) -> Floats:
    """Give outcomes as numbers: of many classes a column of 0 and 1 for each, because their codes have no order."""
    if classes <= 2:
        return np.asarray(truth, dtype=np.float64)
    return np.asarray(truth[:, None] == np.arange(classes), dtype=np.float64)


def _labels(
    warehouse: Warehouse, split: exp.Expression, spec: Spec, keys: Sequence[str]
) -> dict[str, np.ndarray[Any, Any]]:
    """Number the values of some columns in the validation and in the test rows, each in the frame's order."""
    number = exp.Window(
        this=exp.Anonymous(this="dense_rank"),
        order=exp.Order(expressions=[exp.Ordered(this=column(name)) for name in keys]),
    )
    word = column("ml_split")
    query = (
        exp.select(word.copy(), exp.alias_(number, "label"))
        .from_(split)
        .where(word.copy().isin(*JUDGING))
        .order_by(word.copy(), column(spec.time), *(column(name) for name in spec.entity))
    )
    rows = warehouse.batches(query, 100_000).read_all()
    words, numbers = rows["ml_split"].to_numpy(), rows["label"].to_numpy()
    return {each: numbers[words == each] for each in JUDGING}


def block_column(unit: str, moment: exp.Expression, entity: Sequence[str], names: Sequence[str]) -> exp.Expression:
    """Give the block of a row: a period of `moment`, the entity, or a column of `names`; by `row` all are one.

    A column that the rows have no more makes way for the day, as in the macro `block_expression`.
    """
    if unit == "row":
        return exp.Literal.number(0)
    if unit == "entity":
        first, *others = (exp.cast(column(name), "text") for name in entity)
        joined: exp.Expression = first
        for each in others:
            joined = exp.DPipe(this=exp.DPipe(this=joined, expression=exp.Literal.string("|")), expression=each)
        return joined
    if unit in PERIODS or unit not in names:
        return window_start(moment, unit if unit in PERIODS else "day")
    return exp.cast(column(unit), "text")


def _judged_alike(row: Mapping[str, Any], spec: Spec) -> bool:
    """Say whether a version was judged by the outcomes of the spec: not where there were too few blocks to judge by."""
    tests = json.loads(row["promotion"] or "{}").get("tests", ())
    before = stored_spec(json.loads(row["spec"]))
    same = (before.task, before.target, before.entity, before.time) == (spec.task, spec.target, spec.entity, spec.time)
    return same and not any(each["problem"] for each in tests)


def uses_of(versions: Sequence[Mapping[str, Any]], spec: Spec, frame: Frame) -> float:
    """Count how often the test rows judge a model of this target, this time included: 1 for rows that are all new.

    `versions` are the logbook's rows of the chosen candidates. A version of the same outcomes was judged by the rows
    that lay in its test period and whose outcome was known when it was trained; by half of today's rows, it counts for
    half.
    """
    bounds = frame.bounds["test"]
    times, known = frame.times[bounds], frame.known[bounds]
    uses = 1.0
    for row in versions:
        if not _judged_alike(row, spec):
            continue
        judged = known <= np.datetime64(row["as_of"])
        if row["holdout_from"] is not None:
            judged &= times >= np.datetime64(row["holdout_from"])
        uses += float(judged.mean())
    return uses
