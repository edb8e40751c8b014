"""Which rows belong together: blocks that are drawn, swapped and counted as a whole.

Rows of one day share its weather, rows of one customer share the customer. Statistics that take such rows for
independent of each other understate their errors, so every interval and every gate adds up by block
(cluster-robust variance: Liang and Zeger 1986).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mlbridge.sample import Floats, Integers

ROW: Final = "row"
ENTITY: Final = "entity"
PERIODS: Final[Mapping[str, str]] = {"hour": "h", "day": "D", "week": "W", "month": "M"}
"""The periods that a block can be, as numpy writes them; weeks begin on Monday."""

UNITS: Final = (ROW, *PERIODS, ENTITY)
"""The words that `promote.block` knows; any other is the name of a column."""

LEAST: Final = 10
"""Of fewer blocks neither an interval nor a gate holds its level."""

WEEKS: Final = 26
"""From so many weeks on a block is a week, which also holds what one day passes on to the next."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """The block of each row: `unit` is what a block is, `codes` are numbers from 0 to `count` - 1, one per row."""

    unit: str
    codes: Integers

    @classmethod
    def of(cls, unit: str, labels: npt.NDArray[Any]) -> Blocks:
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
        """Whether there are blocks of several rows, and too few of them for what is said of them to hold."""
        return few(self.unit, self.count)

    def take(self, rows: npt.NDArray[Any]) -> Blocks:
        """Keep the blocks of some rows, given as a mask or as row numbers."""
        return Blocks.of(self.unit, self.codes[rows])

    def met(self, mask: npt.NDArray[np.bool_]) -> int:
        """Count the blocks that hold at least one row of the mask."""
        return len(np.unique(self.codes[mask]))

    def sums(self, per_row: Floats) -> Floats:
        """Add up one number per row within each block."""
        return np.bincount(self.codes, per_row, minlength=self.count).astype(np.float64)

    def design_effect(self, per_row: Floats) -> float:
        """Say how much larger the variance of a sum is than that of as many independent rows (Kish 1965); at least 1.

        `per_row` sum to zero, as influence values do.
        """
        alone = float((per_row**2).sum())
        return max(1.0, float((self.sums(per_row) ** 2).sum()) / alone) if alone > 0 else 1.0


def few(unit: str, count: int) -> bool:
    """Say whether so many blocks of a unit are too few for what is said of them to hold; of rows none are."""
    return unit != ROW and count < LEAST


def periods(unit: str, times: npt.NDArray[Any]) -> Blocks:
    """Make a block of each period that prediction moments (datetime64, UTC) lie in."""
    moments = times.astype("datetime64[s]")
    if unit == "week":
        # The first day of 1970 was a Thursday, with which numpy's weeks begin.
        moments = moments + np.timedelta64(3, "D")
    return Blocks.of(unit, moments.astype(f"datetime64[{PERIODS[unit]}]"))


def chosen(times: npt.NDArray[Any], outcomes: Floats, entities: npt.NDArray[Any] | None) -> str:
    """Choose the unit of the blocks from test rows: their prediction moments, outcomes and, if they repeat, entities.

    `outcomes` are numbers, or a column of 0 and 1 for each of many classes, of which the most telling counts.
    By time a block is a day, from `WEEKS` weeks on a week. With fewer than `LEAST` days it is a row, unless the
    outcomes differ between the days more than chance explains: then it stays the day, and the gate says that there
    are too few. Where an entity has several rows, it is the block if its rows are more alike than those of a period.
    """
    residuals = outcomes.reshape(len(outcomes), -1)
    residuals = residuals - residuals.mean(axis=0)
    unit = "week" if periods("week", times).count >= WEEKS else "day"
    found = periods(unit, times)
    if found.too_few and not _differ(residuals, found):
        found = Blocks.rows(len(times))
    if entities is not None:
        people = Blocks.of(ENTITY, entities)
        alike = _alike(residuals, people) > _alike(residuals, found)
        if not people.too_few and people.count < len(times) and (alike or found.unit == ROW):
            found = people
    return found.unit


def _alike(residuals: Floats, blocks: Blocks) -> float:
    return max(blocks.design_effect(column) for column in residuals.T)


def _differ(residuals: Floats, blocks: Blocks) -> bool:
    """Say whether blocks differ in a mean beyond chance, all columns together at 0.1 %."""
    return any(_f_test(column, blocks) < 0.001 / residuals.shape[1] for column in residuals.T)


def _f_test(residuals: Floats, blocks: Blocks) -> float:
    """Give the p-value of the F test of a one-way layout (Fisher 1925); 1 where there is nothing to compare."""
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
