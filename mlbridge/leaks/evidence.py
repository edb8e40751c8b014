"""The inputs of the leak search: a sample of the labelled rows, the model, and each feature alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mlbridge.evaluation.sample import Sample
from mlbridge.features.frame import Frame
from mlbridge.leaks.queries import LeakQueryResults
from mlbridge.leaks.single_feature import Skill, cross_fitted, fit_and_score, ranks, score_by_value, skill
from mlbridge.scoring.champion import Incumbent
from mlbridge.spec.specification import Spec
from mlbridge.training.candidates import SEED
from mlbridge.typing import Array, Flags, Floats, Integers

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import BaseEstimator

# Sampled training rows, and sampled validation and test rows; more rows would add little precision.
MAX_TRAINING_ROWS, MAX_EVALUATION_ROWS = 12_000, 8_000
# Number of consecutive periods within which skill on random rows is measured, so that a trend of the target does not
# count.
STRETCHES = 50


@dataclass(frozen=True)
class LeakContext:
    """The inputs of the leak checks, after the best candidate was chosen.

    `truth` holds class codes or numbers of all labelled rows in the frame's order; `classes` is 0 for a regression.
    `model` has the chosen candidate's scores on the validation rows and then the test rows, `estimator` is the fitted
    candidate. `incumbent` are the champion's scores, None without a champion.
    """

    spec: Spec
    frame: Frame
    truth: Array
    classes: int
    model: Sample
    estimator: BaseEstimator
    incumbent: Incumbent | None = None
    leak_queries: LeakQueryResults = field(default_factory=LeakQueryResults)

    @cached_property
    def chosen(self) -> Integers:
        """Return the positions of the sampled rows, in the frame's order."""
        rng = np.random.default_rng(SEED)
        first = self.frame.bounds["validation"].start
        parts = ((0, first, MAX_TRAINING_ROWS), (first, len(self.truth), MAX_EVALUATION_ROWS))
        positions = [
            np.arange(start, end) if end - start <= most else start + rng.choice(end - start, most, replace=False)
            for start, end, most in parts
        ]
        return np.sort(np.concatenate(positions))

    @cached_property
    def fitted(self) -> Flags:
        """Mark the sampled rows that are training rows."""
        return np.asarray(self.chosen < self.frame.bounds["validation"].start)

    @cached_property
    def half(self) -> Flags:
        """Divide the sampled rows into two random halves."""
        return np.asarray(np.random.default_rng(SEED + 1).permutation(len(self.chosen)) % 2 == 0)

    @cached_property
    def target(self) -> Array:
        """Return the target of the sampled rows: class codes, or ranks."""
        known = self.truth[self.chosen]
        return np.asarray(known) if self.classes else ranks(known)

    @cached_property
    def is_later(self) -> Flags:
        """Mark the last 30 % of the sampled rows by time."""
        return np.asarray(self.stretches >= STRETCHES * 7 // 10)

    @cached_property
    def uncommon(self) -> int:
        """Count the sampled rows outside the commonest class; of a regression all."""
        return len(self.target) - (int(np.bincount(self.target).max()) if self.classes else 0)

    @cached_property
    def stretches(self) -> Integers:
        """Number the stretch of time of each sampled row."""
        order = np.argsort(self.frame.times[self.chosen], kind="stable")
        numbers = np.empty(len(order), dtype=np.int64)
        numbers[order] = np.arange(len(order)) * STRETCHES // len(order)
        return numbers

    @cached_property
    def model_skill(self) -> Skill:
        """Measure the candidate on the sampled validation and test rows."""
        positions = self.chosen[~self.fitted] - self.frame.bounds["validation"].start
        part = self.model.take(positions)
        return skill(part.truth, part.scores)


@dataclass(frozen=True)
class SingleFeature:
    """One feature of the sampled rows, and how well it predicts alone."""

    context: LeakContext
    name: str

    @cached_property
    def values(self) -> pd.Series:
        """Return its values."""
        return self.context.frame.features[self.name].iloc[self.context.chosen].reset_index(drop=True)

    @cached_property
    def cross_fitted(self) -> Floats:
        """Score each sampled row by a fit on the other half of the sampled rows."""
        return cross_fitted(self.values, self.context.target, self.context.classes, self.context.half)

    @cached_property
    def cross_fitted_skill(self) -> Skill:
        """Return the skill of these cross-fitted scores, or of the feature's own value if that is better."""
        context = self.context
        every = np.full(len(context.target), True)
        itself = score_by_value(self.values, context.target, context.classes, context.fitted, every)
        return _better(context.target, [self.cross_fitted, itself])

    @cached_property
    def held_out_skill(self) -> Skill:
        """Fit on the training rows, and measure on the validation and test rows."""
        return self._skill(self.context.fitted, ~self.context.fitted)

    @cached_property
    def later_skill(self) -> Skill:
        """Fit on the earlier rows, and measure on the last 30 % by time."""
        return self._skill(~self.context.is_later, self.context.is_later)

    def _skill(self, fitted: Flags, scored: Flags) -> Skill:
        context = self.context
        every = (context.target, context.classes, fitted, scored)
        scores = [fit_and_score(self.values, *every), score_by_value(self.values, *every)]
        return _better(context.target[scored], scores)


def _better(truth: Array, scores: Sequence[Floats | None]) -> Skill:
    return max((skill(truth, each) for each in scores if each is not None), key=lambda each: each.value)
