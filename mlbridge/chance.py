"""What chance does to a metric on some rows: rows that belong together are drawn together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sqlglot import exp

from mlbridge.frame import window_start
from mlbridge.metrics import value
from mlbridge.sample import Sample, Weighted
from mlbridge.warehouse import column

FEWEST_BLOCKS: Final = 10
"""Of fewer blocks nobody can say how blocks scatter; then rows are drawn."""

PERIODS: Final = ("hour", "day", "week", "month")


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


def standard_error(
    sample: Sample, blocks: npt.NDArray[Any], metric: str, seed: int = 0, resamples: int = 200
) -> float | None:
    """Give the standard deviation of a metric over resamples of whole blocks, of rows where there are few blocks.

    None where the metric is defined on fewer than half of the resamples.
    """
    _, codes = np.unique(np.asarray(blocks), return_inverse=True)
    count = int(codes.max()) + 1 if len(codes) else 0
    if count < FEWEST_BLOCKS:
        codes, count = np.arange(len(sample)), len(sample)
    rng = np.random.default_rng(seed)
    drawn = (np.bincount(rng.integers(0, count, count), minlength=count)[codes] for _ in range(resamples))
    figures = np.array([value(Weighted(sample, weights), metric) for weights in drawn if weights.any()])
    defined = figures[np.isfinite(figures)]
    return float(np.std(defined, ddof=1)) if len(defined) > resamples / 2 else None
