"""The gain of one model over another: the figures, and a sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from mlbridge.evaluation.blocks import ROW, UNITS

_MAX_DECIMALS: Final = 12


@dataclass(frozen=True)
class Gain:
    """The gain of the challenger over the incumbent; positive is better, whatever the direction of the metric.

    `challenger`, `incumbent` and `gain` are in the metric's unit. `low` and `high` bound the gain with the stated
    `confidence`. `p_value` is the largest p-value of the tests, `probability` is 1 - p_value, and `chance` the p-value
    of the permutation test, None if it was not run. `better` is whether every test was passed. The rows form `blocks`
    blocks of the unit `block`. `problem` is why these rows cannot show a gain, else None. Undefined figures are None.
    """

    metric: str
    challenger: float | None
    incumbent: float | None
    gain: float | None
    low: float | None
    high: float | None
    probability: float | None
    p_value: float | None
    chance: float | None
    confidence: float
    min_gain: float
    rows: int
    block: str
    blocks: int
    problem: str | None
    better: bool

    def sentence(self, against: str) -> str:
        """Describe the comparison in a sentence; `against` names the incumbent, such as `the champion`."""
        if self.challenger is None or self.incumbent is None or self.gain is None:
            return f"{self.metric} is not defined on these {self.rows:,} rows: no gain on {against} can be shown"
        figures = [self.gain, *(edge for edge in (self.low, self.high) if edge is not None)]
        decimals = _decimals([self.challenger, self.incumbent], figures, self.min_gain)
        gain, *edges = (_rounded(figure, decimals, "+") for figure in figures)
        notes = [f"{_percent(self.confidence)} interval {' to '.join(edges)}"] if edges else []
        if self.chance is not None:
            notes.append(f"p = {self.chance:.2g} for scores without skill")
        elif self.p_value is not None and not self.better and self.low is not None and self.low > self.min_gain:
            notes.append(f"p = {self.p_value:.2g} in the randomization test")
        if self.p_value is not None and not self.better and self.problem is None and len(notes) > 1:
            notes.append(f"less than {(1 - self.confidence) / 2:.2g} is required")
        new, old = _rounded(self.challenger, decimals), _rounded(self.incumbent, decimals)
        rows = f"on the same {self.rows:,} rows"
        if self.block != ROW:
            rows += f" of {self.blocks:,} {unit_words(self.block, self.blocks)}"
        requirement = f", more than {_rounded(self.min_gain, decimals, '+')} is required" if self.min_gain else ""
        measured = f"{self.metric} {new} against {old} of {against} {rows}: {gain}"
        return (
            measured
            + (f" ({'; '.join(notes)})" if notes else "")
            + requirement
            + (f"; {self.problem}" if self.problem else "")
        )


def required_confidence(confidence: float, uses: float) -> float:
    """Return the confidence that is required at the `uses`-th use of the same test rows, counted from 1.

    Repeated tests on the same rows promote some version by chance in the end. The k-th use gets the share 6 / (pi k)^2
    of the error 1 - confidence, and all uses together no more than the whole error (alpha spending: Bonferroni with the
    series of Foster and Stine 2008).
    """
    return 1 - (1 - confidence) * 6 / (math.pi * uses) ** 2


def unit_words(unit: str, count: int) -> str:
    """Name blocks of a unit, so many of them: `days`, `entity`, or `values of 'region'` for a column."""
    if unit not in UNITS:
        return f"values of '{unit}'" if count != 1 else f"value of '{unit}'"
    return unit if count == 1 else {"entity": "entities"}.get(unit, f"{unit}s")


def _decimals(values: list[float], gains: list[float], min_gain: float) -> int:
    """Choose decimals: three digits of the values, two of the gain, enough to tell its interval from `min_gain`."""

    def needed(number: float, digits: int) -> int:
        return digits - 1 - math.floor(math.log10(number)) if number else 0

    least = max(needed(max(map(abs, values)), 3), needed(max(map(abs, gains)), 2), needed(abs(min_gain), 1))
    decimals = min(max(least, 0), _MAX_DECIMALS)
    near = [gain for gain in gains if gain != min_gain]
    while decimals < _MAX_DECIMALS and any(round(gain, decimals) == round(min_gain, decimals) for gain in near):
        decimals += 1
    return decimals


def _rounded(number: float, decimals: int, sign: str = "") -> str:
    return format(round(number, decimals) + 0.0, f"{sign},.{decimals}f")


def _percent(share: float) -> str:
    """Write a share near 1 as a percentage, with two significant digits of its difference from 100 %."""
    decimals = max(0, -math.floor(math.log10(100 * (1 - share)))) if share < 1 else 0
    return f"{round(100 * share, decimals):g} %"
