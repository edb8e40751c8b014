"""What one model gains on another: the figures, and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from mlbridge.blocks import ROW, UNITS

_MOST_PLACES: Final = 12


@dataclass(frozen=True)
class Gain:
    """What the challenger gains on the incumbent, in the metric's own direction: more is always better.

    `low` and `high` bound the gain with the stated `confidence`; None where not defined. `p_value` is the largest of
    the tests', `probability` is 1 less it. `better` says that every test speaks for the challenger. `chance` is how
    often scores without skill gain as much, None where nobody asked. `blocks` of the unit `block` were counted;
    `problem` says why these rows can show no gain, else None.
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
        """Say in words what was measured; `against` names the incumbent, as in `the champion`."""
        if self.challenger is None or self.incumbent is None or self.gain is None:
            return f"{self.metric} is not defined on these {self.rows:,} rows: no gain on {against} can be shown"
        figures = [self.gain, *(edge for edge in (self.low, self.high) if edge is not None)]
        places = _places([self.challenger, self.incumbent], figures, self.min_gain)
        gain, *edges = (_rounded(figure, places, "+") for figure in figures)
        said = [f"{_percent(self.confidence)} interval {' to '.join(edges)}"] if edges else []
        if self.chance is not None:
            said.append(f"p = {self.chance:.2g} for scores without skill")
        elif self.p_value is not None and not self.better and self.low is not None and self.low > self.min_gain:
            said.append(f"p = {self.p_value:.2g} where models exchange their scores")
        if self.p_value is not None and not self.better and self.problem is None and len(said) > 1:
            said.append(f"less than {(1 - self.confidence) / 2:.2g} is asked")
        new, old = _rounded(self.challenger, places), _rounded(self.incumbent, places)
        rows = f"on the same {self.rows:,} rows"
        if self.block != ROW:
            rows += f" of {self.blocks:,} {unit_words(self.block, self.blocks)}"
        asked = f", of which {_rounded(self.min_gain, places, '+')} is asked" if self.min_gain else ""
        measured = f"{self.metric} {new} against {old} of {against} {rows}: {gain}"
        return (
            measured + (f" ({'; '.join(said)})" if said else "") + asked + (f"; {self.problem}" if self.problem else "")
        )


def asked_of_use(confidence: float, uses: float) -> float:
    """Give the confidence that the `uses`-th judgement by the same rows is asked for, counted from 1.

    A test set that judges again and again promotes somebody by chance in the end. The k-th use has 6 / (pi k)^2 of
    what may go wrong, and all uses together no more than the stated confidence leaves (Bonferroni, with the series of
    Foster and Stine 2008).
    """
    return 1 - (1 - confidence) * 6 / (math.pi * uses) ** 2


def unit_words(unit: str, count: int) -> str:
    """Name blocks of a unit, so many of them: `days`, `entity`, or `values of 'region'` for a column."""
    if unit not in UNITS:
        return f"values of '{unit}'" if count != 1 else f"value of '{unit}'"
    return unit if count == 1 else {"entity": "entities"}.get(unit, f"{unit}s")


def _places(values: list[float], gains: list[float], min_gain: float) -> int:
    """Choose decimals: three digits of the values, two of the gain, and edges parted from `min_gain`."""

    def needed(number: float, digits: int) -> int:
        return digits - 1 - math.floor(math.log10(number)) if number else 0

    least = max(needed(max(map(abs, values)), 3), needed(max(map(abs, gains)), 2), needed(abs(min_gain), 1))
    places = min(max(least, 0), _MOST_PLACES)
    near = [gain for gain in gains if gain != min_gain]
    while places < _MOST_PLACES and any(round(gain, places) == round(min_gain, places) for gain in near):
        places += 1
    return places


def _rounded(number: float, places: int, sign: str = "") -> str:
    return format(round(number, places) + 0.0, f"{sign},.{places}f")


def _percent(share: float) -> str:
    """Write a share near 1 as a percentage, with two digits of what is missing to the whole."""
    places = max(0, -math.floor(math.log10(100 * (1 - share)))) if share < 1 else 0
    return f"{round(100 * share, places):g} %"
