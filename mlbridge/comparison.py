"""Whether one model is better than another on the same rows, at a level that holds for every metric.

Up to three tests, all of which must speak for the challenger:

- Student's t of the gain, its error made of the influence values by block (Diebold and Mariano 1995);
- the two models' scores exchanged in blocks chosen at random (Fisher's paired randomization test; for rankings Smucker,
  Allan and Carterette 2007), which holds its level also where t does not: few rows, ties, heavy tails;
- against a constant, the outcomes dealt anew among the rows (a permutation test). Scores that say nothing of the
  outcome do better than a constant in some metrics: average precision lies above the share of positives when these are
  few. Where rows belong together the draws are spread by the design effect.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from mlbridge.blocks import LEAST, ROW, Blocks
from mlbridge.gain import Gain, unit_words
from mlbridge.influence import influence
from mlbridge.intervals import rests_on, standard_error, student
from mlbridge.metrics import greater_is_better, json_number, value
from mlbridge.sample import Floats, Sample, Weighted, same_rows, stream

AGAINST_CHANCE: Final = ("average_precision", "roc_auc", "precision", "recall")
"""What a constant has of these is what scores have on average that say nothing of the outcome, or less."""

ALSO_AGAINST_CHANCE: Final = ("accuracy", "f1")
"""Of these the best constant has more, so that it must be beaten, and chance as well."""

DRAWS: Final = 399
_CELLS: Final = 4_000_000
_MOST_CELLS: Final = 100_000_000


def paired_gain(
    challenger: Sample,
    incumbent: Sample,
    metric: str,
    confidence: float,
    min_gain: float,
    seed: int = 0,
    blocks: Blocks | None = None,
) -> Gain:
    """Compare two models on the same rows; without `blocks` rows are independent of each other.

    `gain` is what the challenger is better by, so of rmse the incumbent's minus its own. Of equal models one is called
    better in at most (1 - confidence) / 2 of cases. Against a constant the recall is compared with the share of rows
    that the challenger calls positive, which is what as many rows chosen by chance have. Raises ValueError when the
    samples hold different rows.
    """
    same_rows(challenger, incumbent)
    case, level = (
        _Case(challenger, incumbent, metric, blocks or Blocks.rows(len(challenger)), min_gain),
        (1 - confidence) / 2,
    )
    verdict, problem = case.judged(level, seed) if case.defined else _Verdict(), case.problem(level)
    return Gain(
        metric=metric,
        challenger=json_number(case.new),
        incumbent=json_number(case.old),
        gain=json_number(case.gain),
        low=verdict.low,
        high=verdict.high,
        probability=None if verdict.p_value is None else 1 - verdict.p_value,
        p_value=verdict.p_value,
        chance=verdict.chance,
        confidence=confidence,
        min_gain=min_gain,
        rows=len(challenger),
        block=case.blocks.unit,
        blocks=case.blocks.count,
        problem=problem,
        better=verdict.better and problem is None,
    )


@dataclass(frozen=True)
class _Verdict:
    better: bool = False
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    chance: float | None = None


class _Case:
    """Two models on the same rows, and what their difference in one metric is made of."""

    def __init__(self, new: Sample, old: Sample, metric: str, blocks: Blocks, min_gain: float) -> None:
        self.challenger, self.incumbent, self.metric, self.blocks, self.min_gain = new, old, metric, blocks, min_gain
        self.sign = 1.0 if greater_is_better(metric) else -1.0
        self.constant = len(new) > 0 and bool((old.scores == old.scores[:1]).all())
        self.new = value(Weighted(new), metric)
        self.old, influences = self._old()
        self.gain = self.sign * (self.new - self.old)
        self.defined = math.isfinite(self.gain) and len(new) > 1
        self.values: Floats = self.sign * (influence(new, metric) - influences) if self.defined else np.zeros(len(new))

    def _old(self) -> tuple[float, Floats]:
        if self.constant and self.metric == "recall" and self.challenger.binary:
            flagged = (self.challenger.predicted == 1).astype(np.float64)
            return float(flagged.mean()), flagged - flagged.mean()
        return value(Weighted(self.incumbent), self.metric), influence(self.incumbent, self.metric)

    @property
    def by_chance(self) -> bool:
        """Whether the incumbent is a constant, beside which scores without skill can look good in this metric."""
        return self.constant and self.metric in (*AGAINST_CHANCE, *ALSO_AGAINST_CHANCE)

    def problem(self, level: float) -> str | None:
        """Say that there are too few blocks; of so many, exchanging all or none happens too often to show a level."""
        needed = LEAST if self.by_chance else max(LEAST, math.ceil(math.log2(2 / level)))
        if self.blocks.unit == ROW or self.blocks.count >= needed:
            return None
        return (
            f"{self.blocks.count} {unit_words(self.blocks.unit, self.blocks.count)} are too few to tell skill from "
            f"chance where rows depend on each other, {needed} are needed: wait for more, or write `promote: {{block: "
            "row}` if rows are independent"
        )

    def judged(self, level: float, seed: int) -> _Verdict:
        """Put the gain to its tests; the dear ones only while it can still be better."""
        if self.by_chance and self.metric in AGAINST_CHANCE and self.gain > self.min_gain:
            return self._by_chance(level, seed)
        verdict = self._by_error(level)
        if not verdict.better:
            return verdict
        if self.by_chance:
            found = self._by_chance(level, seed)
            p_value = max(verdict.p_value or 0.0, found.p_value or 0.0)
            return replace(verdict, better=found.better, p_value=p_value, chance=found.chance)
        exchanged, passed = self._by_exchange(level, seed)
        return replace(verdict, better=passed, p_value=max(verdict.p_value or 0.0, exchanged))

    def _by_error(self, level: float) -> _Verdict:
        from scipy.special import stdtr

        sets = [*rests_on(self.challenger, self.metric), *rests_on(self.incumbent, self.metric)]
        if self.challenger.binary:
            sets += [self.challenger.truth == code for code in (0, 1)]
        freedom = min(self.blocks.met(mask) for mask in sets if mask.any()) - 1
        if freedom < 1:
            return _Verdict()
        error = standard_error(self.values, freedom, self.blocks.design_effect(self.values))
        reach = student(freedom, 1 - 2 * level) * error
        beyond = self.gain - self.min_gain
        p_value = float(1 - stdtr(freedom, beyond / error)) if error > 0 else float(beyond <= 0)
        return _Verdict(p_value < level, self.gain - reach, self.gain + reach, p_value)

    def _by_exchange(self, level: float, seed: int) -> tuple[float, bool]:
        rng = stream(seed, "exchange")
        new, old = self.challenger.scores, self.incumbent.scores
        if self.metric in ("average_precision", "roc_auc"):
            # Only the order of scores counts, and two models may order alike on scales of their own.
            new, old = ranks(new), ranks(old)
        shape = (-1,) + (1,) * (new.ndim - 1)

        def drawn() -> float:
            swapped = (rng.random(self.blocks.count) < 0.5)[self.blocks.codes].reshape(shape)
            first = Sample(self.challenger.truth, np.where(swapped, old, new))
            second = Sample(self.challenger.truth, np.where(swapped, new, old))
            return self.sign * (value(Weighted(first), self.metric) - value(Weighted(second), self.metric))

        draws = self._draws(drawn, level)
        return _share_reached(draws, self.gain, level)

    def _by_chance(self, level: float, seed: int) -> _Verdict:
        """Deal the outcomes anew; the draws are spread about their mean as rows that belong together ask for."""
        rng = stream(seed, "chance")

        def drawn() -> float:
            dealt = Sample(rng.permutation(self.challenger.truth), self.challenger.scores)
            return self.sign * value(Weighted(dealt), self.metric)

        draws = self._draws(drawn, level)
        spread = self._spread(level)
        draws = draws.mean() + spread * (draws - draws.mean())
        reached, passed = _share_reached(draws, self.sign * self.new - self.min_gain, level)
        low, high = self.sign * self.new - np.quantile(draws, [1 - level, level])
        return _Verdict(passed, float(low), float(high), reached, reached)

    def _spread(self, level: float) -> float:
        """Give the factor by which blocks widen the draws: that of their error, and of Student's t for few of them."""
        if self.blocks.unit == ROW:
            return 1.0
        effects = [self.blocks.design_effect(self.values)]
        if self.metric != "roc_auc":
            effects.append(self.blocks.design_effect(influence(self.challenger, "roc_auc")))
        count = self.blocks.count
        few = student(count - 1, 1 - 2 * level) / student(10**9, 1 - 2 * level)
        return math.sqrt(max(effects) * count / (count - 1)) * few

    def _draws(self, drawn: Callable[[], float], level: float) -> Floats:
        """Draw often enough to tell the level, and not more often than so many rows allow."""
        cells = self.challenger.scores.size
        wanted = max(math.ceil(2 / level), min(DRAWS, _CELLS // cells))
        return np.array([drawn() for _ in range(max(1, min(wanted, _MOST_CELLS // cells)))])


def ranks(scores: Floats) -> Floats:
    """Give the mid-rank of each score within its column, as a share of the rows."""
    found = np.empty(scores.shape)
    for place, column in enumerate(scores.T):
        _, codes, counts = np.unique(column, return_inverse=True, return_counts=True)
        found[:, place] = (np.cumsum(counts) - (counts - 1) / 2)[codes] / len(column)
    return found


def _share_reached(draws: Floats, seen: float, level: float) -> tuple[float, bool]:
    """Give the p-value of a randomization test, and whether it is below the level.

    Where so many rows allow too few draws to tell, none may reach what was seen, nor may a normal distribution of
    their mean and deviation. What is not defined counts as reached.
    """
    from scipy.special import ndtri

    reached = int((~(draws < seen - 1e-12)).sum())
    p_value = (reached + 1) / (len(draws) + 1)
    if reached == 0 and len(draws) + 1 <= 1 / level:
        return p_value, bool(seen > draws.mean() + ndtri(1 - level) * draws.std())
    return p_value, p_value < level
