"""The blocks of the validation and test rows: which of them depend on each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from sqlglot import exp

from mlbridge.engines.warehouse import column
from mlbridge.evaluation.blocks import ENTITY, PERIODS, ROW, UNITS, Blocks, choose_unit, period_blocks
from mlbridge.features.frame import FETCH_BATCH_ROWS, window_start
from mlbridge.spec.specification import Spec
from mlbridge.typing import Array, Floats, Integers

if TYPE_CHECKING:
    from mlbridge.engines.warehouse import Warehouse
    from mlbridge.features.frame import Frame

EVALUATION_SPLITS = ("validation", "test")


def blocks_of(
    warehouse: Warehouse, split: exp.Expression, spec: Spec, frame: Frame, targets: Floats
) -> dict[str, Blocks]:
    """Return the blocks of the validation and of the test rows, in the frame's order.

    The unit is the spec's `promote.block`, else it is chosen from the test rows, whose targets as numbers are
    `targets`. Where the unit is a column, the rows in which it is NULL are one block.
    """
    configured = spec.promote.block
    by_column = () if configured in UNITS else spec.entity if configured is None else (configured,)
    keys = spec.entity if configured == ENTITY else by_column
    labels = _block_labels(warehouse, split, spec, keys) if keys else {}
    times = {name: frame.times[frame.bounds[name]] for name in EVALUATION_SPLITS}
    unit = configured or choose_unit(times["test"], targets, labels["test"])
    if unit == ROW:
        return {name: Blocks.rows(len(times[name])) for name in EVALUATION_SPLITS}
    if unit in PERIODS:
        return {name: period_blocks(unit, times[name]) for name in EVALUATION_SPLITS}
    return {name: Blocks.of(unit, labels[name]) for name in EVALUATION_SPLITS}


def numeric_targets(truth: Array, classes: int) -> Floats:
    """Return targets as numbers, shape (n,); more than two classes as indicators, (n, classes): codes have no order."""
    if classes <= 2:
        return np.asarray(truth, dtype=np.float64)
    return np.asarray(truth[:, None] == np.arange(classes), dtype=np.float64)


def _block_labels(warehouse: Warehouse, split: exp.Expression, spec: Spec, keys: Sequence[str]) -> dict[str, Integers]:
    """Number the values of some columns in the validation and in the test rows, each in the frame's order."""
    number = exp.Window(
        this=exp.Anonymous(this="dense_rank"),
        order=exp.Order(expressions=[exp.Ordered(this=column(name)) for name in keys]),
    )
    split_name = column("ml_split")
    query = (
        exp.select(split_name.copy(), exp.alias_(number, "label"))
        .from_(split)
        .where(split_name.copy().isin(*EVALUATION_SPLITS))
        .order_by(split_name.copy(), column(spec.time), *(column(name) for name in spec.entity))
    )
    rows = warehouse.batches(query, FETCH_BATCH_ROWS).read_all()
    split_names, numbers = rows["ml_split"].to_numpy(), rows["label"].to_numpy()
    return {each: numbers[split_names == each] for each in EVALUATION_SPLITS}


def block_column(unit: str, moment: exp.Expression, entity: Sequence[str], names: Sequence[str]) -> exp.Expression:
    """Return the SQL expression of a row's block: a period of `moment`, the entity, or a column of `names`.

    For the unit `row` it is 0 for all rows; the caller then numbers the rows itself. A column that no longer exists is
    replaced by the day, as in the macro `block_expression`.
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
