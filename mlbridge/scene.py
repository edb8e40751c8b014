"""What a search for leaks looks at: a sample of the labelled rows, the model, and each column alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mlbridge.alone import Skill, crossed, learn, ordered, ranks, skill
from mlbridge.frame import Frame
from mlbridge.incumbent import Incumbent
from mlbridge.sample import Sample
from mlbridge.spec import Spec
from mlbridge.traces import Traces
from mlbridge.train import SEED

if TYPE_CHECKING:
    import pandas as pd

# Rows that are looked at; more sharpen a figure little.
MOST_FITTED, MOST_JUDGED = 12_000, 8_000
# A rising or falling rate is no leak: what a column says of rows beside it counts within so many stretches of time.
STRETCHES = 50


@dataclass(frozen=True)
class Scene:
    """What a training knows when its best candidate is chosen.

    `truth` holds class codes or numbers of all labelled rows in the frame's order; `classes` is 0 for a regression;
    `model` are the candidate's scores on validation and then test rows, `estimator` the candidate itself.
    """

    spec: Spec
    frame: Frame
    truth: np.ndarray[Any, Any]
    classes: int
    model: Sample
    estimator: Any
    incumbent: Incumbent | None = None
    traces: Traces = field(default_factory=Traces)

    @cached_property
    def chosen(self) -> np.ndarray[Any, Any]:
        """Give the places of the rows that are looked at: a sample by seed, in the frame's order."""
        rng = np.random.default_rng(SEED)
        first = self.frame.bounds["validation"].start
        parts = ((0, first, MOST_FITTED), (first, len(self.truth), MOST_JUDGED))
        places = [
            np.arange(start, end) if end - start <= most else start + rng.choice(end - start, most, replace=False)
            for start, end, most in parts
        ]
        return np.sort(np.concatenate(places))

    @cached_property
    def fitted(self) -> np.ndarray[Any, Any]:
        """Say of each row that is looked at whether it is one of training."""
        return np.asarray(self.chosen < self.frame.bounds["validation"].start)

    @cached_property
    def half(self) -> np.ndarray[Any, Any]:
        """Divide the rows that are looked at into two halves at random."""
        return np.asarray(np.random.default_rng(SEED + 1).permutation(len(self.chosen)) % 2 == 0)

    @cached_property
    def outcome(self) -> np.ndarray[Any, Any]:
        """Give the outcome of the rows that are looked at: class codes, or ranks."""
        known = self.truth[self.chosen]
        return np.asarray(known) if self.classes else ranks(known)

    @cached_property
    def later(self) -> np.ndarray[Any, Any]:
        """Say of each row that is looked at whether it is one of the last three in ten by time."""
        return np.asarray(self.stretches >= STRETCHES * 7 // 10)

    @cached_property
    def uncommon(self) -> int:
        """Count the rows that are looked at and not of the commonest class; of a regression all."""
        return len(self.outcome) - (int(np.bincount(self.outcome).max()) if self.classes else 0)

    @cached_property
    def stretches(self) -> np.ndarray[Any, Any]:
        """Number the stretch of time of each row that is looked at."""
        order = np.argsort(self.frame.times[self.chosen], kind="stable")
        numbers = np.empty(len(order), dtype=np.int64)
        numbers[order] = np.arange(len(order)) * STRETCHES // len(order)
        return numbers

    @cached_property
    def model_skill(self) -> Skill:
        """Measure the candidate on the judged rows that are looked at."""
        places = self.chosen[~self.fitted] - self.frame.bounds["validation"].start
        part = self.model.take(places)
        return skill(part.truth, part.scores)


@dataclass(frozen=True)
class Column:
    """One feature among the rows that are looked at, and what it says alone."""

    scene: Scene
    name: str

    @cached_property
    def values(self) -> pd.Series:
        """Give its values."""
        return self.scene.frame.features[self.name].iloc[self.scene.chosen].reset_index(drop=True)

    @cached_property
    def crossed(self) -> np.ndarray[Any, Any]:
        """Score each row by a half of the rows that it is not in."""
        return crossed(self.values, self.scene.outcome, self.scene.classes, self.scene.half)

    @cached_property
    def at_random(self) -> Skill:
        """Measure that, or the number itself, whose order is all that is learnt of it."""
        scene = self.scene
        every = np.full(len(scene.outcome), True)
        itself = ordered(self.values, scene.outcome, scene.classes, scene.fitted, every)
        return _better(scene.outcome, [self.crossed, itself])

    @cached_property
    def judged(self) -> Skill:
        """Measure on the validation and test rows what the training rows say of it."""
        return self._skill(self.scene.fitted, ~self.scene.fitted)

    @cached_property
    def later(self) -> Skill:
        """Measure on the last rows by time what those before them say of it."""
        return self._skill(~self.scene.later, self.scene.later)

    def _skill(self, fitted: np.ndarray[Any, Any], asked: np.ndarray[Any, Any]) -> Skill:
        scene = self.scene
        every = (scene.outcome, scene.classes, fitted, asked)
        scores = [learn(self.values, *every), ordered(self.values, *every)]
        return _better(scene.outcome[asked], scores)


def _better(truth: np.ndarray[Any, Any], scores: Sequence[np.ndarray[Any, Any] | None]) -> Skill:
    return max((skill(truth, each) for each in scores if each is not None), key=lambda each: each.value)
