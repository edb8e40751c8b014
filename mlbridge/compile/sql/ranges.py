"""The values that an expression can have."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

GREATEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True)
class Range:
    """The least and the greatest value, and whether it can be NULL or NaN; `low > high`: it is never a number."""

    low: float
    high: float
    null: bool = False
    nan: bool = False

    @property
    def infinite(self) -> bool:
        """Say whether it can be infinite."""
        return self.size > GREATEST

    @property
    def size(self) -> float:
        """Give the greatest absolute value."""
        return max(abs(self.low), abs(self.high)) if self.low <= self.high else 0.0

    def within(self, most: float) -> Range:
        """Give the range of those values whose absolute value is at most so much."""
        return replace(self, low=max(self.low, -most), high=min(self.high, most))


ANYTHING = Range(-math.inf, math.inf, null=True, nan=True)
NOTHING = Range(math.inf, -math.inf, null=True)
ONE_OF_TWO = Range(0.0, 1.0, null=True)


def of_values(values: Iterable[float | None]) -> Range:
    """Give the range of some numbers; None and NaN are NULL."""
    every = list(values)
    numbers = [each for each in every if each is not None and not math.isnan(each)]
    return Range(min(numbers, default=math.inf), max(numbers, default=-math.inf), len(numbers) < len(every))
