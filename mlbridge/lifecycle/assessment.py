"""The inputs of a training, and the evaluation of each candidate on rows that its fit did not see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlbridge.catalogue.candidates import is_out_of_core
from mlbridge.catalogue.metrics import greater_is_better
from mlbridge.errors import TrainingError
from mlbridge.evaluation.baselines import Baseline, Outcomes
from mlbridge.evaluation.blocks import Blocks
from mlbridge.evaluation.evaluate import MetricRecord, design_effects, metric_rows
from mlbridge.evaluation.sample import Sample
from mlbridge.features.columns import FetchedFeature
from mlbridge.features.frame import FIT_SPLITS, Batch, Frame
from mlbridge.features.stream import Stream
from mlbridge.leaks.catalogue import Suspicion
from mlbridge.leaks.queries import LeakQueryResults
from mlbridge.log import info
from mlbridge.reference.profile import TextCounts
from mlbridge.spec.specification import Spec
from mlbridge.split.checks import Label
from mlbridge.split.held_rows import HeldRows
from mlbridge.training.fitting import Fitted, checked_scores, fit, takes_codes
from mlbridge.training.out_of_core import fit_out_of_core
from mlbridge.typing import Array

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator


@dataclass(frozen=True)
class Training:
    """The inputs of one training of a model.

    `columns` are the features, `class_labels` the sorted classes (None for a regression). `times` gives the first and
    the last prediction time (UTC) by split, `blocks` the blocks of the validation and the test rows. `uses` is how
    often the test rows have been used, this time included (`test_set_uses`). `leak_queries` are the results for the
    leak search, `suspected` is what the lineage says of leaks. `held` are the rows of
    the frame; if these are a sample, `stream` reads all of them, and `text_counts` are those of all training rows.
    """

    node: str
    spec: Spec
    columns: tuple[FetchedFeature, ...]
    frame: Frame
    class_labels: tuple[Label, ...] | None
    candidates: Mapping[str, BaseEstimator]
    times: Mapping[str, tuple[datetime, datetime]]
    blocks: Mapping[str, Blocks]
    uses: float
    held: HeldRows
    leak_queries: LeakQueryResults = field(default_factory=LeakQueryResults)
    suspected: Sequence[Suspicion] = ()
    stream: Stream | None = None
    text_counts: Mapping[str, TextCounts] = field(default_factory=dict)

    @cached_property
    def classes(self) -> tuple[str, ...] | None:
        """Return the classes as text, as the warehouse writes them."""
        if self.class_labels is None:
            return None
        return tuple(str(label).lower() if isinstance(label, bool) else str(label) for label in self.class_labels)

    @cached_property
    def numbers(self) -> tuple[float, ...] | None:
        """Return the classes as numbers, a boolean as 0 or 1; None where they are texts."""
        if self.class_labels is None or isinstance(self.class_labels[0], str):
            return None
        return tuple(float(label) for label in self.class_labels)

    def truth(self, split: str) -> Array:
        """Return the target of a split as metrics use it, shape (n,): class codes, or numbers."""
        return self._known(self.frame.truth(split))

    def _known(self, target: Array) -> Array:
        """Return labels or numbers as metrics use them."""
        if self.class_labels is None:
            return target
        class_labels = np.array(self.class_labels)
        return np.searchsorted(class_labels, target.astype(class_labels.dtype))

    def batches(self, split: str) -> Iterator[Batch]:
        """Iterate over all rows of a split, also those that the frame does not hold, with the target as `truth`."""
        source = self.frame if self.stream is None else self.stream
        return ((features, self._known(target)) for features, target in source.batches(split))

    @cached_property
    def every_truth(self) -> Array:
        """Return the target of all labelled rows, in the frame's order."""
        return np.concatenate([self.truth(split) for split in FIT_SPLITS])

    @cached_property
    def target(self) -> Array:
        """Return the target of the training rows as an estimator is fitted on it: labels, or numbers."""
        return self.truth("train") if self.class_labels is None else np.array(self.class_labels)[self.truth("train")]

    @cached_property
    def outcomes(self) -> Outcomes:
        """Return the input of the naive baselines; text features are its categories, code 0 is a missing value."""
        columns, frame = self.frame.features.items(), self.frame
        texts = {str(name): values for name, values in columns if isinstance(values.dtype, pd.CategoricalDtype)}
        codes = {name: values.cat.codes.to_numpy(np.int64) + np.int64(1) for name, values in texts.items()}
        by_time, classes = self.spec.split.by == "time", len(self.class_labels or ())
        return Outcomes(self.every_truth, classes, frame.bounds, frame.times, frame.label_times, codes, by_time)

    def sample(self, split: str, name: str, estimator: BaseEstimator) -> Sample:
        """Score the rows of one split; raises TrainingError that names the candidate when its scores are invalid."""
        classes = None if self.class_labels is None else len(self.class_labels)
        return Sample(self.truth(split), checked_scores(self.node, name, estimator, self.frame.part(split), classes))


@dataclass(frozen=True)
class EvaluatedCandidate:
    """A fitted candidate and its scores on the rows that its fit never saw."""

    fitted: Fitted
    validation: Sample
    test: Sample
    metrics: list[MetricRecord]

    def value(self, split: str, metric: str) -> MetricRecord:
        """Return the record of a metric over all rows of a split."""
        (record,) = (
            row for row in self.metrics if (row["split"], row["slice"], row["metric"]) == (split, "all", metric)
        )
        return record


def evaluate_candidate(training: Training, name: str, naive: Mapping[str, Baseline]) -> EvaluatedCandidate:
    """Fit a candidate and measure it beside the naive baselines."""
    fitted = _fit(training, name)
    samples = {split: training.sample(split, name, fitted.estimator) for split in ("validation", "test")}
    effects: dict[str, float] = {}
    metrics: list[MetricRecord] = []
    # The test rows first: where there are too few validation blocks, their design effect is that of the test.
    for split in ("test", "validation"):
        beside = {each: getattr(rows, split) for each, rows in naive.items()}
        slices, blocks = training.frame.slice_values(split), training.blocks[split]
        found = metric_rows(split, samples[split], beside, slices, blocks, effects)
        effects = effects or design_effects(found)
        metrics = found + metrics
    evaluated = EvaluatedCandidate(fitted, samples["validation"], samples["test"], metrics)
    metric = training.spec.metric
    record = evaluated.value("validation", metric)
    info(
        training.node,
        f"{name}: {metric} {figure(record['value'])} ({figure(record['low'])} to {figure(record['high'])}) on "
        f"validation, baseline {figure(record['baseline'])}; {fitted.fit_seconds:.1f} s",
    )
    return evaluated


def _fit(training: Training, name: str) -> Fitted:
    candidate = training.candidates[name]
    if is_out_of_core(name):
        classes = len(training.class_labels or ())
        rows = sum(training.held.every[part] for part in ("train", "validation"))
        return fit_out_of_core(training.node, name, candidate, training.batches, classes, rows)
    # Fitted on codes or on labels, the estimator gives one score column per class, in the same order.
    target = training.truth("train") if takes_codes(candidate) else training.target
    return fit(training.node, name, candidate, training.frame.part("train"), target)


def best_of(training: Training, evaluated: list[EvaluatedCandidate]) -> EvaluatedCandidate:
    """Choose the candidate that does best on the validation rows; raises TrainingError where none can be measured."""
    metric = training.spec.metric
    sign = 1 if greater_is_better(metric) else -1
    values = {each.fitted.name: each.value("validation", metric)["value"] for each in evaluated}
    defined = {name: sign * value for name, value in values.items() if value is not None}
    if not defined:
        raise TrainingError(f"{training.node}: {metric} is not defined on the validation rows. Choose another metric.")
    best = max(defined, key=lambda name: defined[name])
    return next(each for each in evaluated if each.fitted.name == best)


def figure(value: float | None) -> str:
    """Write a figure for a sentence."""
    return "undefined" if value is None else f"{value:.4g}"
