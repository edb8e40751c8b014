"""One training on trial: the rows, and each candidate fitted and measured on those that its fit never saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np

from mlbridge.baselines import Baseline
from mlbridge.blocks import Blocks
from mlbridge.errors import TrainingError
from mlbridge.evaluate import Sample, design_effects, greater_is_better, metric_rows
from mlbridge.features import Column
from mlbridge.frame import FIT_WORDS, Frame
from mlbridge.log import say
from mlbridge.spec import Spec
from mlbridge.traces import Traces
from mlbridge.train import Fitted, checked_scores, fit


@dataclass(frozen=True)
class Training:
    """All that a training of one model works on.

    `times` gives the first and last prediction moment by word of `ml_split`, `blocks` the validation and test rows that
    belong together, `uses` how often the test rows judge, this time included; `traces` are those of leaks.
    """

    node: str
    spec: Spec
    columns: tuple[Column, ...]
    frame: Frame
    labels: tuple[Any, ...] | None
    candidates: Mapping[str, Any]
    times: Mapping[str, tuple[datetime, datetime]]
    blocks: Mapping[str, Blocks]
    uses: float
    traces: Traces = field(default_factory=Traces)

    @cached_property
    def classes(self) -> tuple[str, ...] | None:
        """Give the classes as text, as the warehouse writes them."""
        if self.labels is None:
            return None
        return tuple(str(label).lower() if isinstance(label, bool) else str(label) for label in self.labels)

    @cached_property
    def numbers(self) -> tuple[float, ...] | None:
        """Give the classes as numbers, a boolean as 0 or 1; None where they are texts."""
        if self.labels is None or isinstance(self.labels[0], str):
            return None
        return tuple(float(label) for label in self.labels)

    def truth(self, word: str) -> np.ndarray[Any, Any]:
        """Give the target as a metric wants it: codes of the classes in their order, or numbers."""
        known = self.frame.truth(word)
        if self.labels is None:
            return known
        labels = np.array(self.labels)
        return np.searchsorted(labels, known.astype(labels.dtype))

    @cached_property
    def every_truth(self) -> np.ndarray[Any, Any]:
        """Give the target of all labelled rows, in the frame's order."""
        return np.concatenate([self.truth(word) for word in FIT_WORDS])

    @cached_property
    def target(self) -> np.ndarray[Any, Any]:
        """Give the target of the training rows as an estimator is fitted on it: labels, or numbers."""
        return self.truth("train") if self.labels is None else np.array(self.labels)[self.truth("train")]

    def sample(self, word: str, name: str, estimator: Any) -> Sample:
        """Score the rows of a word; raises TrainingError that names the candidate when its scores are none."""
        classes = None if self.labels is None else len(self.labels)
        return Sample(self.truth(word), checked_scores(self.node, name, estimator, self.frame.part(word), classes))


@dataclass(frozen=True)
class Judged:
    """A fitted candidate and its scores on the rows that its fit never saw."""

    fitted: Fitted
    validation: Sample
    test: Sample
    metrics: list[dict[str, Any]]

    def value(self, split: str, metric: str) -> dict[str, Any]:
        """Give the record of a metric over all rows of a split."""
        (record,) = (
            row for row in self.metrics if (row["split"], row["slice"], row["metric"]) == (split, "all", metric)
        )
        return record


def judge(training: Training, name: str, naive: Mapping[str, Baseline]) -> Judged:
    """Fit a candidate and measure it beside the naive baselines."""
    fitted = fit(training.node, name, training.candidates[name], training.frame.part("train"), training.target)
    samples = {word: training.sample(word, name, fitted.estimator) for word in ("validation", "test")}
    effects: dict[str, float] = {}
    metrics: list[dict[str, Any]] = []
    # The test rows first: where there are too few validation blocks, their design effect is that of the test.
    for word in ("test", "validation"):
        beside = {each: getattr(rows, word) for each, rows in naive.items()}
        labels, blocks = training.frame.labels(word), training.blocks[word]
        found = metric_rows(word, samples[word], beside, labels, blocks, effects)
        effects = effects or design_effects(found)
        metrics = found + metrics
    judged = Judged(fitted, samples["validation"], samples["test"], metrics)
    metric = training.spec.metric
    record = judged.value("validation", metric)
    say(
        training.node,
        f"{name}: {metric} {figure(record['value'])} ({figure(record['low'])} to {figure(record['high'])}) on "
        f"validation, baseline {figure(record['baseline'])}; {fitted.fit_seconds:.1f} s",
    )
    return judged


def best_of(training: Training, judged: list[Judged]) -> Judged:
    """Choose the candidate that does best on the validation rows; raises TrainingError where none can be measured."""
    metric = training.spec.metric
    sign = 1 if greater_is_better(metric) else -1
    defined = [each for each in judged if each.value("validation", metric)["value"] is not None]
    if not defined:
        raise TrainingError(f"{training.node}: {metric} is not defined on the validation rows. Choose another metric.")
    return max(defined, key=lambda each: sign * each.value("validation", metric)["value"])


def figure(value: float | None) -> str:
    """Write a figure for a sentence."""
    return "undefined" if value is None else f"{value:.4g}"
