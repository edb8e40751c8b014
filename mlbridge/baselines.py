"""The naive baselines: the best constant for each metric and, by time, what the last known outcomes were.

Pure. A candidate has to beat the strongest of those that compete for the metric in question.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from mlbridge.metrics import greater_is_better, value
from mlbridge.ranges import Ranges
from mlbridge.sample import Floats, Integers, Sample, Weighted

if TYPE_CHECKING:
    from mlbridge.frame import Frame

RECENT: Final = np.timedelta64(30, "D")
"""How far back an outcome counts as recent, by the moment at which it was known."""

RANKED: Final = ("average_precision", "roc_auc", "log_loss", "brier")
COMPETES: Final[dict[str, tuple[str, ...]]] = {
    "mean": ("rmse", "r2"),
    "median": ("mae",),
    "shortest half": ("median_absolute_error",),
    "class rates": (*RANKED, "recall"),
    "majority class": ("accuracy",),
    "always positive": ("precision", "f1"),
    "best class": ("precision", "recall", "f1"),
    "recent mean": ("rmse", "r2"),
    "recent median": ("mae", "median_absolute_error"),
    "recent rate": (*RANKED, "accuracy"),
}
"""The metrics for which each baseline competes, by its name without what it goes by."""

# Which loss says of what category the recent outcomes tell most.
_LOSS: Final = {"recent mean": "rmse", "recent median": "mae", "recent rate": "brier"}

# What stands where no outcome is known yet.
_CONSTANT: Final = {"recent mean": "mean", "recent median": "median", "recent rate": "class rates"}


class Baseline(NamedTuple):
    """The scores of one baseline on the rows that a fit never sees."""

    validation: Sample
    test: Sample


@dataclass(frozen=True)
class Outcomes:
    """The labelled rows, train before validation before test, as `bounds` says; `classes` is 0 for a regression.

    `truth` holds codes of the classes or numbers. `times` are the moments of the predictions, `known` those at which
    the outcomes were known. `categories` are codes from 0 on by the name of a column; `by_time` says that the words
    follow the time, so that there is a before.
    """

    truth: np.ndarray[Any, Any]
    classes: int
    bounds: Mapping[str, slice]
    times: np.ndarray[Any, Any]
    known: np.ndarray[Any, Any]
    categories: Mapping[str, Integers]
    by_time: bool

    @classmethod
    def of(cls, frame: Frame, truth: np.ndarray[Any, Any], classes: int, by_time: bool) -> Outcomes:
        """Take the rows of a frame; its texts are the categories, a missing one is a value of its own."""
        from pandas import CategoricalDtype

        texts = {name: values for name, values in frame.features.items() if isinstance(values.dtype, CategoricalDtype)}
        codes = {str(name): values.cat.codes.to_numpy(np.int64) + np.int64(1) for name, values in texts.items()}
        return cls(truth, classes, frame.bounds, frame.times, frame.known, codes, by_time)

    @cached_property
    def constants(self) -> dict[str, Any]:
        """Give each constant that the training rows tell: a number, or a probability per class."""
        known = self.truth[self.bounds["train"]]
        if not self.classes:
            return {"mean": known.mean(), "median": np.median(known), "shortest half": shortest_half(known)}
        rates = np.bincount(known, minlength=self.classes) / len(known)
        certain = np.eye(self.classes)
        likeliest = certain[rates.argmax()]
        # Of constants, macro metrics are best for the most frequent class; of two classes only the positive one counts.
        single = {"always positive": certain[1]} if self.classes == 2 else {"best class": likeliest}
        return {"class rates": rates, "majority class": likeliest, **single}

    def baseline(self, scores: Mapping[str, Floats]) -> Baseline:
        """Put scores of the validation and the test rows beside the truth."""
        return Baseline(*(Sample(self.truth[self.bounds[word]], scores[word]) for word in ("validation", "test")))

    def constant(self, score: Floats | float) -> Baseline:
        """Score every row alike: by a number, or by a probability per class."""
        sizes = {word: self.bounds[word].stop - self.bounds[word].start for word in ("validation", "test")}
        return self.baseline({word: np.repeat(np.asarray(score)[None], size, 0) for word, size in sizes.items()})


def baselines(rows: Outcomes) -> dict[str, Baseline]:
    """Give every baseline of the task by its name.

    Constants are learnt from the training rows. By time the recent outcomes stand beside them: of each row, those
    that were known when it was predicted, of the last 30 days or, where there are none, of all time; overall, and by
    the category of which they tell most on the validation rows, where that is more than overall.
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
    """Name the sample that does best by a metric, of equals the first; one that it is not defined for is the last."""
    sign = 1.0 if greater_is_better(metric) else -1.0
    values = {name: sign * value(Weighted(sample), metric) for name, sample in samples.items()}
    return max(values, key=lambda name: -np.inf if np.isnan(values[name]) else values[name])


def competing(metric: str, names: Iterable[str]) -> list[str]:
    """Name the baselines that compete for a metric; all of them where none is made for it."""
    every = list(names)
    return [name for name in every if metric in COMPETES.get(name.split(" by ")[0], ())] or every


def strongest_by_metric(metrics: Iterable[str], samples: Mapping[str, Sample]) -> dict[str, str]:
    """Name for each metric the strongest baseline of those that compete for it, on all of these rows."""
    return {
        metric: strongest(metric, {name: samples[name] for name in competing(metric, samples)}) for metric in metrics
    }


def shortest_half(values: Floats) -> float:
    """Give the middle of the shortest stretch that holds more than half of the values.

    Their absolute distances from it have the least median (Rousseeuw, Least Median of Squares Regression, Journal of
    the American Statistical Association 79, 1984).
    """
    ordered = np.sort(values)
    half = len(ordered) // 2 + 1
    widths = ordered[half - 1 :] - ordered[: len(ordered) - half + 1]
    first = int(np.argmin(widths))
    return float((ordered[first] + ordered[first + half - 1]) / 2)


def _recent(rows: Outcomes, name: str, codes: Integers | None) -> Baseline:
    """Score rows by the recent outcomes, overall or of their category: where it has none, by those of all."""
    order = np.argsort(rows.known, kind="stable")
    scores = {}
    for word in ("validation", "test"):
        at = rows.bounds[word]
        until = _known_before(rows.known[order], rows.times[at], rows.known[at])
        since = np.minimum(np.searchsorted(rows.known[order], rows.times[at] - RECENT, side="right"), until)
        first = np.zeros(len(until), dtype=np.int64)
        stretches = [Ranges(since, until), Ranges(first, until)]
        found = _figures(rows, name, rows.truth[order], stretches)
        if codes is not None:
            grouped = np.argsort(codes[order], kind="stable")
            own = [_within(codes[order][grouped], grouped, codes[at], each) for each in stretches]
            own_found = _figures(rows, name, rows.truth[order][grouped], own)
            found = np.where(np.isnan(own_found), found, own_found)
        constant = np.asarray(rows.constants[_CONSTANT[name]])
        scores[word] = np.where(np.isnan(found), constant, found)
    return rows.baseline(scores)


def _known_before(known: np.ndarray[Any, Any], times: np.ndarray[Any, Any], own: np.ndarray[Any, Any]) -> Integers:
    """Count the outcomes, of moments in their order, that were known at a row's time and before its own outcome."""
    return np.where(own > times, np.searchsorted(known, times, side="right"), np.searchsorted(known, own, side="left"))


def _within(codes: Integers, places: Integers, own: Integers, stretches: Ranges) -> Ranges:
    """Find stretches of the whole series again within each row's category.

    `codes` are those of the series sorted by code and then by place, and `places` the places of then.
    """
    width = len(places) + 1
    keys = codes * width + places
    return Ranges(*(np.searchsorted(keys, own * width + edge) for edge in (stretches.first, stretches.last)))


def _figures(rows: Outcomes, name: str, truth: np.ndarray[Any, Any], stretches: list[Ranges]) -> Floats:
    """Give the figure of the first stretch of each row that holds an outcome; NaN where none does."""
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
