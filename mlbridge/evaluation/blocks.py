"""Blocks of dependent rows, which are exchanged and counted as a whole.

Rows of one day share its weather, rows of one customer share the customer. Statistics that take such rows for
independent of each other understate their errors, so every interval and every promotion test sums by block
(cluster-robust variance: Liang and Zeger 1986).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from mlbridge.typing import Array, Flags, Floats, Integers, Times

ROW: Final = "row"
ENTITY: Final = "entity"
PERIODS: Final[Mapping[str, str]] = {"hour": "h", "day": "D", "week": "W", "month": "M"}
"""The periods that a block can be, as numpy writes them; weeks begin on Monday."""

UNITS: Final = (ROW, *PERIODS, ENTITY)
"""The reserved values of `promote.block`; any other value is a column name."""

MIN_BLOCKS: Final = 10
"""With fewer blocks, intervals and promotion tests do not keep their confidence level."""

MIN_WEEKS: Final = 26
"""With at least this many weeks a block is a week, which also covers dependence between consecutive days."""

MAX_SERIAL_CORRELATION: Final = 0.9
"""Of a higher correlation between consecutive periods hardly more can be told than that there are too few of them."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """The block of each row: `unit` is what a block is, `codes` are numbers from 0 to `count` - 1, one per row."""

    unit: str
    codes: Integers

    @classmethod
    def of(cls, unit: str, labels: Array) -> Blocks:
        """Number the blocks by their labels; equal labels are one block."""
        return cls(unit, np.unique(labels, return_inverse=True)[1].astype(np.int64))

    @classmethod
    def rows(cls, rows: int) -> Blocks:
        """Make each row a block of its own."""
        return cls(ROW, np.arange(rows))

    @cached_property
    def count(self) -> int:
        """Count the blocks."""
        return len(np.unique(self.codes))

    @property
    def too_few(self) -> bool:
        """Whether there are fewer than `MIN_BLOCKS` blocks; always False if each row is a block."""
        return too_few_blocks(self.unit, self.count)

    def take(self, rows: Integers | Flags) -> Blocks:
        """Keep the blocks of some rows, given as a mask or as row numbers."""
        return Blocks.of(self.unit, self.codes[rows])

    def count_where(self, mask: Flags) -> int:
        """Count the blocks that hold at least one row of the mask."""
        return len(np.unique(self.codes[mask]))

    def sums(self, per_row: Floats) -> Floats:
        """Add up one number per row within each block."""
        return np.bincount(self.codes, per_row, minlength=self.count).astype(np.float64)

    def design_effect(self, per_row: Floats) -> float:
        """Return the design effect: variance of a sum by block / that of independent rows (Kish 1965); at least 1.

        `per_row` sum to zero, as influence values do.
        """
        alone = float((per_row**2).sum())
        return max(1.0, float((self.sums(per_row) ** 2).sum()) / alone) if alone > 0 else 1.0

    def serial_effect(self, per_row: Floats) -> float:
        """Return the factor by which consecutive periods that are alike raise the variance of a sum; at least 1.

        It is (1 + r) / (1 - r) for sums by block that correlate by r with those of the block before and by powers of it
        with earlier ones (Bartlett 1946); r is corrected for its bias (Marriott and Pope 1954). 1 unless the blocks are
        periods. `per_row` sum to zero, as influence values do.
        """
        sums = self.sums(per_row)
        squares = float(sums @ sums)
        if self.unit not in PERIODS or self.count < 3 or squares == 0:
            return 1.0
        seen = float(sums[1:] @ sums[:-1]) / squares
        unbiased = min(max(seen + (1 + 3 * seen) / self.count, 0.0), MAX_SERIAL_CORRELATION)
        return (1 + unbiased) / (1 - unbiased)


def too_few_blocks(unit: str, count: int) -> bool:
    """Return whether `count` blocks of a unit are too few for an interval or a test; always False for rows."""
    return unit != ROW and count < MIN_BLOCKS


def period_blocks(unit: str, times: Times) -> Blocks:
    """Return the blocks by period (`unit`) of prediction times (datetime64, UTC)."""
    moments = times.astype("datetime64[s]")
    if unit == "week":
        # The first day of 1970 was a Thursday, with which numpy's weeks begin.
        moments = moments + np.timedelta64(3, "D")
    return Blocks.of(unit, moments.astype(f"datetime64[{PERIODS[unit]}]"))


def choose_unit(times: Times, outcomes: Floats, entities: Array | None) -> str:
    """Choose the unit of the blocks from the test rows' prediction times, outcomes and, if entities repeat, entities.

    `outcomes` are numbers, shape (rows,), or an indicator column per class, shape (rows, classes); the column with the
    largest design effect decides. A block is a day, or a week if there are at least `MIN_WEEKS` weeks. With fewer than
    `MIN_BLOCKS` days it is a row, unless the outcomes' means differ between the days more than chance explains; then it
    stays the day, and the promotion test reports too few blocks. The entity is the block if it has several rows and a
    larger design effect than the period.
    """
    residuals = outcomes.reshape(len(outcomes), -1)
    residuals = residuals - residuals.mean(axis=0)
    unit = "week" if period_blocks("week", times).count >= MIN_WEEKS else "day"
    found = period_blocks(unit, times)
    if found.too_few and not _means_differ(residuals, found):
        found = Blocks.rows(len(times))
    if entities is not None:
        entity_blocks = Blocks.of(ENTITY, entities)
        alike = _max_design_effect(residuals, entity_blocks) > _max_design_effect(residuals, found)
        if not entity_blocks.too_few and entity_blocks.count < len(times) and (alike or found.unit == ROW):
            found = entity_blocks
    return found.unit


def _max_design_effect(residuals: Floats, blocks: Blocks) -> float:
    return max(blocks.design_effect(column) for column in residuals.T)


def _means_differ(residuals: Floats, blocks: Blocks) -> bool:
    """Return whether the blocks' means differ significantly, at 0.1 % over all columns together."""
    return any(_f_test(column, blocks) < 0.001 / residuals.shape[1] for column in residuals.T)


def _f_test(residuals: Floats, blocks: Blocks) -> float:
    """Return the p-value of a one-way analysis of variance (F test, Fisher 1925); 1 if there is nothing to compare."""
    from scipy.special import fdtrc

    within_freedom = len(residuals) - blocks.count
    if blocks.count < 2 or within_freedom < 1:
        return 1.0
    counts = blocks.sums(np.ones(len(residuals)))
    between = float((blocks.sums(residuals) ** 2 / counts).sum())
    within = float((residuals**2).sum()) - between
    if within <= 0:
        return 0.0 if between > 0 else 1.0
    ratio = between / (blocks.count - 1) / (within / within_freedom)
    return float(fdtrc(blocks.count - 1, within_freedom, ratio))
