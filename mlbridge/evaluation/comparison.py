"""Whether one model is better than another on the same rows, at a level that holds for every metric.

There are three tests. One or two of them are run, depending on the incumbent and the metric, and the challenger must
pass each one that is run:

- Student's t test of the gain, with a standard error from the influence values by block, which allows for consecutive
  periods that are alike (Diebold and Mariano 1995), unless the permutation test replaces it (`permutation_test` of the
  metric);
- a paired randomization test (Fisher; for rankings Smucker, Allan and Carterette 2007): the two models' scores are
  exchanged in randomly chosen blocks. It keeps its level where the t test does not: few rows, ties, heavy tails. It is
  run after the t test unless the permutation test is;
- against a constant baseline, a permutation test: the outcomes are shuffled among the rows. It is needed because scores
  without any relation to the outcome beat a constant in some metrics; average precision, for one, exceeds the share of
  positives when there are few. If rows are dependent, the draws are scaled by the design effect and, like the error
  of the t test, by that of consecutive periods that are alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from mlbridge.catalogue.metrics import METRICS, greater_is_better
from mlbridge.evaluation.blocks import MIN_BLOCKS, PERIODS, ROW, Blocks
from mlbridge.evaluation.gain import Gain, unit_words
from mlbridge.evaluation.influence import influence
from mlbridge.evaluation.intervals import determining_rows, standard_error, t_quantile
from mlbridge.evaluation.metrics import json_number, metric_value
from mlbridge.evaluation.sample import Sample, Weighted, same_rows, stream
from mlbridge.typing import Floats

MIN_INDEPENDENT: Final = 5
"""With fewer periods, counted as independent ones, a gain that is not significant may be missed for that reason."""

DRAWS: Final = 399
"""Draws of a randomization or permutation test, fewer for large samples and more where the level needs them."""

# Scores (rows times classes) computed by all draws of one test: the usual limit, and the limit where the level needs
# more.
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

    `gain` is positive where the challenger is better; for rmse it is the incumbent's value minus the challenger's. If
    both models are equally good, the challenger is called better in at most (1 - confidence) / 2 of cases. Against a
    constant, recall is compared with the share of rows that the challenger predicts positive, which is the recall of as
    many rows chosen at random. `min_gain` is in the metric's unit. Raises ValueError when the samples hold different
    rows.
    """
    same_rows(challenger, incumbent)
    comparison, level = (
        _PairedComparison(challenger, incumbent, metric, blocks or Blocks.rows(len(challenger)), min_gain),
        (1 - confidence) / 2,
    )
    verdict = comparison.run_tests(level, seed) if comparison.defined else _TestResult()
    problem = comparison.problem(level) or (None if verdict.better else comparison.too_alike())
    return Gain(
        metric=metric,
        challenger=json_number(comparison.new),
        incumbent=json_number(comparison.old),
        gain=json_number(comparison.gain),
        low=verdict.low,
        high=verdict.high,
        probability=None if verdict.p_value is None else 1 - verdict.p_value,
        p_value=verdict.p_value,
        chance=verdict.chance,
        confidence=confidence,
        min_gain=min_gain,
        rows=len(challenger),
        block=comparison.blocks.unit,
        blocks=comparison.blocks.count,
        problem=problem,
        better=verdict.better and problem is None,
    )


@dataclass(frozen=True)
class _TestResult:
    better: bool = False
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    chance: float | None = None


class _PairedComparison:
    """Two models on the same rows, with their values in one metric and the influence values of the difference."""

    def __init__(self, new: Sample, old: Sample, metric: str, blocks: Blocks, min_gain: float) -> None:
        self.challenger, self.incumbent, self.metric, self.blocks, self.min_gain = new, old, metric, blocks, min_gain
        self.sign = 1.0 if greater_is_better(metric) else -1.0
        self.constant = len(new) > 0 and bool((old.scores == old.scores[:1]).all())
        self.new = metric_value(Weighted(new), metric)
        self.old, influences = self._old()
        self.gain = self.sign * (self.new - self.old)
        self.defined = math.isfinite(self.gain) and len(new) > 1
        self.values: Floats = self.sign * (influence(new, metric) - influences) if self.defined else np.zeros(len(new))

    def _old(self) -> tuple[float, Floats]:
        if self.constant and self.metric == "recall" and self.challenger.binary:
            flagged = (self.challenger.predicted == 1).astype(np.float64)
            return float(flagged.mean()), flagged - flagged.mean()
        return metric_value(Weighted(self.incumbent), self.metric), influence(self.incumbent, self.metric)

    @property
    def needs_permutation_test(self) -> bool:
        """Whether the incumbent is a constant that scores without skill can beat in this metric."""
        return self.constant and METRICS[self.metric].permutation_test is not None

    def problem(self, level: float) -> str | None:
        """Return why there are too few blocks for the tests, or None.

        The randomization test exchanges all or none of n blocks with probability 2 / 2^n. That must be a quarter of the
        level, so that its draws hardly ever contain such exchanges too often for a p-value below the level.
        """
        needed = MIN_BLOCKS if self.needs_permutation_test else max(MIN_BLOCKS, math.ceil(math.log2(8 / level)))
        if self.blocks.unit == ROW or self.blocks.count >= needed:
            return None
        finer = "day" if self.blocks.unit in ("week", "month") else "row"
        return (
            f"{self.blocks.count} {unit_words(self.blocks.unit, self.blocks.count)} are too few to tell skill from "
            f"chance where rows depend on each other, {needed} are needed: wait for more, or write `promote: {{block: "
            f"{finer}}}` if {finer}s are independent"
        )

    def too_alike(self) -> str | None:
        """Return that a gain may be missed because consecutive periods are so alike that they count as few, or None."""
        count, unit = self.blocks.count, self.blocks.unit
        independent = count / self.blocks.serial_effect(self.values)
        if not self.gain > self.min_gain or unit not in PERIODS or independent >= MIN_INDEPENDENT:
            return None
        return (
            f"{count} {unit_words(unit, count)} of which consecutive ones are alike tell as much as {independent:.1f} "
            f"independent ones, which is too little to tell skill from chance: wait for more test rows"
        )

    def run_tests(self, level: float, seed: int) -> _TestResult:
        """Run the tests; the expensive ones only if the challenger can still pass."""
        permutation_test = METRICS[self.metric].permutation_test
        if self.needs_permutation_test and permutation_test == "instead" and self.gain > self.min_gain:
            return self._permutation_test(level, seed)
        verdict = self._t_test(level)
        if not verdict.better:
            return verdict
        if self.needs_permutation_test:
            found = self._permutation_test(level, seed)
            p_value = max(verdict.p_value or 0.0, found.p_value or 0.0)
            return replace(verdict, better=found.better, p_value=p_value, chance=found.chance)
        exchanged, passed = self._randomization_test(level, seed)
        return replace(verdict, better=passed, p_value=max(verdict.p_value or 0.0, exchanged))

    def _t_test(self, level: float) -> _TestResult:
        from scipy.special import stdtr

        sets = [*determining_rows(self.challenger, self.metric), *determining_rows(self.incumbent, self.metric)]
        if self.challenger.binary:
            sets += [self.challenger.truth == code for code in (0, 1)]
        dof = min(self.blocks.count_where(mask) for mask in sets if mask.any()) - 1
        if dof < 1:
            return _TestResult()
        serial = self.blocks.serial_effect(self.values)
        error = standard_error(self.values, dof, self.blocks.design_effect(self.values) * serial)
        independent = max((dof + 1) / serial - 1, 1)
        half_width = t_quantile(independent, 1 - 2 * level) * error
        beyond = self.gain - self.min_gain
        p_value = float(1 - stdtr(independent, beyond / error)) if error > 0 else float(beyond <= 0)
        return _TestResult(p_value < level, self.gain - half_width, self.gain + half_width, p_value)

    def _randomization_test(self, level: float, seed: int) -> tuple[float, bool]:
        rng = stream(seed, "exchange")
        new, old = self.challenger.scores, self.incumbent.scores
        if METRICS[self.metric].rank_based:
            # The metric depends on the order of the scores only, and the two models may use different scales.
            new, old = ranks(new), ranks(old)
        shape = (-1,) + (1,) * (new.ndim - 1)

        def draw() -> float:
            swapped = (rng.random(self.blocks.count) < 0.5)[self.blocks.codes].reshape(shape)
            first = Sample(self.challenger.truth, np.where(swapped, old, new))
            second = Sample(self.challenger.truth, np.where(swapped, new, old))
            return self.sign * (
                metric_value(Weighted(first), self.metric) - metric_value(Weighted(second), self.metric)
            )

        draws = self._draws(draw, level)
        return _randomization_p_value(draws, self.gain, level)

    def _permutation_test(self, level: float, seed: int) -> _TestResult:
        """Shuffle the outcomes among the rows; the draws are scaled about their mean to allow for dependent rows."""
        rng = stream(seed, "chance")

        def draw() -> float:
            permuted = Sample(rng.permutation(self.challenger.truth), self.challenger.scores)
            return self.sign * metric_value(Weighted(permuted), self.metric)

        draws = self._draws(draw, level)
        dispersion = self._dispersion(level)
        draws = draws.mean() + dispersion * (draws - draws.mean())
        reached, passed = _randomization_p_value(draws, self.sign * self.new - self.min_gain, level)
        low, high = self.sign * self.new - np.quantile(draws, [1 - level, level])
        return _TestResult(passed, float(low), float(high), reached, reached)

    def _dispersion(self, level: float) -> float:
        """Return the factor that widens the draws: the root of the blocks' effects, and Student's t for few blocks."""
        if self.blocks.unit == ROW:
            return 1.0
        found = [self.values]
        if self.metric != "roc_auc":
            found.append(influence(self.challenger, "roc_auc"))
        serials = [self.blocks.serial_effect(each) for each in found]
        effects = [self.blocks.design_effect(each) * serial for each, serial in zip(found, serials, strict=True)]
        effect, serial = max(zip(effects, serials, strict=True))
        count = self.blocks.count
        few = t_quantile(max(count / serial - 1, 1), 1 - 2 * level) / t_quantile(10**9, 1 - 2 * level)
        return math.sqrt(effect * count / (count - 1)) * few

    def _draws(self, draw: Callable[[], float], level: float) -> Floats:
        """Draw as often as the level requires, limited by the number of scores that this computes."""
        cells = self.challenger.scores.size
        wanted = max(math.ceil(2 / level), min(DRAWS, _CELLS // cells))
        return np.array([draw() for _ in range(max(1, min(wanted, _MOST_CELLS // cells)))])


def ranks(scores: Floats) -> Floats:
    """Return the mid-rank of each score within its column, as a share of the rows."""
    found = np.empty(scores.shape)
    for index, column in enumerate(scores.T):
        _, codes, counts = np.unique(column, return_inverse=True, return_counts=True)
        found[:, index] = (np.cumsum(counts) - (counts - 1) / 2)[codes] / len(column)
    return found


def _randomization_p_value(draws: Floats, seen: float, level: float) -> tuple[float, bool]:
    """Return the p-value of a randomization test, and whether the test is passed at the level.

    It is passed if the p-value is below the level. If there are too few draws for such a p-value, it is passed if no
    draw reaches `seen` and `seen` exceeds the (1 - level) quantile of a normal distribution with the mean and standard
    deviation of the draws. An undefined draw (NaN) counts as reaching `seen`.
    """
    from scipy.special import ndtri

    reached = int((~(draws < seen - 1e-12)).sum())
    p_value = (reached + 1) / (len(draws) + 1)
    if reached == 0 and len(draws) + 1 <= 1 / level:
        return p_value, bool(seen > draws.mean() + ndtri(1 - level) * draws.std())
    return p_value, p_value < level
