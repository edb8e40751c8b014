"""The naive baselines: the best constant for each metric and, in a split by time, recent known outcomes.

A candidate has to beat the strongest of those that compete for the spec's metric.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from mlbridge.catalogue.metrics import METRICS, greater_is_better
from mlbridge.evaluation.metrics import metric_value
from mlbridge.evaluation.range_statistics import Ranges
from mlbridge.evaluation.sample import Sample, Weighted
from mlbridge.typing import Array, Floats, Integers, Times

RECENT: Final = np.timedelta64(30, "D")
"""How far back an outcome counts as recent, by the moment at which it was known."""

# The metric that chooses the category column of each recent baseline.
_LOSS: Final = {"recent mean": "rmse", "recent median": "mae", "recent rate": "brier"}

# The constant that replaces a recent baseline for rows before which no outcome was known.
_CONSTANT: Final = {"recent mean": "mean", "recent median": "median", "recent rate": "class rates"}


class Baseline(NamedTuple):
    """The scores of one baseline on the rows that a fit never sees."""

    validation: Sample
    test: Sample


@dataclass(frozen=True)
class Outcomes:
    """The labelled rows, train before validation before test, as `bounds` says; `classes` is 0 for a regression.

    `truth` holds class codes or numbers. `times` are the prediction times and `label_times` the times at which the
    outcomes became known (both datetime64, UTC). All arrays have one entry per row. `categories` gives by column name a
    code from 0 on for each row. `by_time` is whether the split follows the time; only then are recent outcomes used as
    baselines.
    """

    truth: Array
    classes: int
    bounds: Mapping[str, slice]
    times: Times
    label_times: Times
    categories: Mapping[str, Integers]
    by_time: bool

    @cached_property
    def constants(self) -> dict[str, Floats]:
        """Return the constants learned from the training rows by name: a number, or a probability per class."""
        outcomes = self.truth[self.bounds["train"]]
        if not self.classes:
            return {"mean": outcomes.mean(), "median": np.median(outcomes), "shortest half": shortest_half(outcomes)}
        rates = np.bincount(outcomes, minlength=self.classes) / len(outcomes)
        certain = np.eye(self.classes)
        likeliest = certain[rates.argmax()]
        # Among constants, the most frequent class has the best macro averages; of two classes only the positive counts.
        single = {"always positive": certain[1]} if self.classes == 2 else {"best class": likeliest}
        return {"class rates": rates, "majority class": likeliest, **single}

    def baseline(self, scores: Mapping[str, Floats]) -> Baseline:
        """Combine scores of the validation and the test rows (by split) with their outcomes."""
        return Baseline(*(Sample(self.truth[self.bounds[split]], scores[split]) for split in ("validation", "test")))

    def constant(self, score: Floats | float) -> Baseline:
        """Score every row alike: by a number, or by a probability per class."""
        sizes = {split: self.bounds[split].stop - self.bounds[split].start for split in ("validation", "test")}
        return self.baseline({split: np.repeat(np.asarray(score)[None], size, 0) for split, size in sizes.items()})


def baselines(rows: Outcomes) -> dict[str, Baseline]:
    """Return every baseline of the task by its name.

    Constants are learned from the training rows. In a split by time there are also recent outcomes: a row is predicted
    from the outcomes that were known at its prediction time, of the last 30 days or, if there are none, of all time.
    They are taken over all rows, and also within the category column that predicts best on the validation rows, if it
    predicts better than all rows together.
    """
    found = {name: rows.constant(score) for name, score in rows.constants.items()}
    if not rows.by_time:
        return found
    for name in ("recent rate",) if rows.classes else ("recent mean", "recent median"):
        overall = _recent(rows, name, None)
        found[name] = overall
        beside = {column: _recent(rows, name, codes) for column, codes in rows.categories.items()}
        best = strongest(_LOSS[name], {"": overall.validation} | {at: each.validation for at, each in beside.items()})
        if best:
            found[f"{name} by {best}"] = beside[best]
    return found


def strongest(metric: str, samples: Mapping[str, Sample]) -> str:
    """Return the name of the sample with the best value of a metric; ties go to the first, undefined is last."""
    sign = 1.0 if greater_is_better(metric) else -1.0
    values = {name: sign * metric_value(Weighted(sample), metric) for name, sample in samples.items()}
    return max(values, key=lambda name: -np.inf if np.isnan(values[name]) else values[name])


def competing(metric: str, names: Iterable[str]) -> list[str]:
    """Return the names of a metric's baselines in the catalogue; all names if none of them is."""
    every = list(names)
    return [name for name in every if name.split(" by ")[0] in METRICS[metric].baselines] or every


def strongest_by_metric(metrics: Iterable[str], samples: Mapping[str, Sample]) -> dict[str, str]:
    """Return by metric the name of the strongest baseline on these rows, among those that compete for it."""
    return {
        metric: strongest(metric, {name: samples[name] for name in competing(metric, samples)}) for metric in metrics
    }


def shortest_half(values: Floats) -> float:
    """Return the middle of the shortest stretch that holds more than half of the values.

    Their absolute distances from it have the least median (Rousseeuw, Least Median of Squares Regression, Journal of
    the American Statistical Association 79, 1984).
    """
    ordered = np.sort(values)
    half = len(ordered) // 2 + 1
    widths = ordered[half - 1 :] - ordered[: len(ordered) - half + 1]
    first = int(np.argmin(widths))
    return float((ordered[first] + ordered[first + half - 1]) / 2)


def _recent(rows: Outcomes, name: str, codes: Integers | None) -> Baseline:
    """Score rows by recent outcomes: of all rows or, if `codes` are given, of the row's category if it has any."""
    order = np.argsort(rows.label_times, kind="stable")
    scores = {}
    for split in ("validation", "test"):
        at = rows.bounds[split]
        until = _known_before(rows.label_times[order], rows.times[at], rows.label_times[at])
        since = np.minimum(np.searchsorted(rows.label_times[order], rows.times[at] - RECENT, side="right"), until)
        first = np.zeros(len(until), dtype=np.int64)
        stretches = [Ranges(since, until), Ranges(first, until)]
        found = _figures(rows, name, rows.truth[order], stretches)
        if codes is not None:
            grouped = np.argsort(codes[order], kind="stable")
            own = [_within(codes[order][grouped], grouped, codes[at], each) for each in stretches]
            own_found = _figures(rows, name, rows.truth[order][grouped], own)
            found = np.where(np.isnan(own_found), found, own_found)
        constant = np.asarray(rows.constants[_CONSTANT[name]])
        scores[split] = np.where(np.isnan(found), constant, found)
    return rows.baseline(scores)


def _known_before(known: Times, times: Times, own: Times) -> Integers:
    """Count for each row the outcomes that were known at its prediction time and before its own outcome.

    `known` are the label times of all outcomes, ascending; `times` and `own` are the prediction time and the label time
    of each row.
    """
    return np.where(own > times, np.searchsorted(known, times, side="right"), np.searchsorted(known, own, side="left"))


def _within(codes: Integers, positions: Integers, own: Integers, stretches: Ranges) -> Ranges:
    """Translate ranges of the whole series into ranges of the same series sorted by category.

    `codes` are the category codes in sorted order, `positions` the original positions in that order, `own` the category
    code of each row to score, and `stretches` its range in the whole series.
    """
    width = len(positions) + 1
    keys = codes * width + positions
    return Ranges(*(np.searchsorted(keys, own * width + edge) for edge in (stretches.first, stretches.last)))


def _figures(rows: Outcomes, name: str, truth: Array, stretches: list[Ranges]) -> Floats:
    """Return mean, median or class shares over each row's first stretch that has outcomes; NaN if none has."""
    filled = stretches[0].counts > 0
    chosen = Ranges(*(np.where(filled, *(getattr(each, end) for each in stretches)) for end in ("first", "last")))
    if name == "recent mean":
        return chosen.means(truth)
    if name == "recent median":
        return chosen.medians(truth)
    rates = np.column_stack([chosen.means((truth == code).astype(np.float64)) for code in range(rows.classes)])
    # One more row with the classes' shares in training keeps a class that is rare from a probability of zero.
    shares, counts = rows.constants["class rates"], chosen.counts[:, None]
    return np.asarray((rates * counts + shares) / (counts + 1))
