"""How good a model is, on rows that its fit never saw: every figure with its interval and its number of rows.

Intervals are percentile-bootstrap intervals (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
chapter 13): rows are drawn with replacement, which treats them as independent of each other.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mlbridge.baselines import strongest_by_metric
from mlbridge.metrics import (
    DEFAULT_METRIC,
    METRICS,
    Metric,
    greater_is_better,
    json_number,
    measure,
    metrics_for,
    value,
)
from mlbridge.sample import Floats, Integers, Sample, Weighted

__all__ = [
    "DEFAULT_METRIC",
    "METRICS",
    "SLICE_VALUES",
    "Gain",
    "Metric",
    "Sample",
    "calibration_rows",
    "greater_is_better",
    "measure",
    "metric_rows",
    "metrics_for",
    "paired_gain",
    "predictions",
    "slice_rows",
]

SLICE_VALUES: Final = 50
"""How many values of a slice column are measured at most, the most frequent first."""

_INTERVAL: Final = 0.95
_MOST_PLACES: Final = 12

Interval = tuple[float | None, float | None]


def metric_rows(
    split: str,
    sample: Sample,
    baselines: Mapping[str, Sample],
    slices: Mapping[str, npt.NDArray[Any]],
    seed: int = 0,
    resamples: int = 200,
) -> list[dict[str, Any]]:
    """Measure a model on all rows (`slice` is `all`) and on the rows of each slice, beside a naive baseline.

    Gives one record per slice and metric: `split, slice, metric, value, low, high, n, baseline, baseline_name`, ready
    for JSON. `baselines` are samples of the same rows by name: of those that compete for a metric, the strongest on
    all rows is given for every slice. `slices` maps a column to the rows' labels; a slice is named `column=value`, or
    `column=NULL` where the label is missing. A figure that is not defined on the rows is None; so is the 95 % interval
    of fewer than two rows. Resamples on which a metric is not defined are left out of its interval. Each slice draws
    from its own stream, so one slice more changes no other figure. Raises ValueError when a baseline holds other rows
    than the sample.
    """
    for baseline in baselines.values():
        _same_rows(sample, baseline)
    strongest = strongest_by_metric(metrics_for(sample.task), baselines)
    records = []
    for name, rows in slice_rows(len(sample), slices):
        part = sample.take(rows)
        naive = {each: measure(baselines[each].take(rows)) for each in set(strongest.values())}
        intervals = _intervals(part, _stream(seed, split, name), resamples)
        for metric, figure in measure(part).items():
            low, high = intervals[metric] if figure is not None else (None, None)
            records.append(
                {
                    "split": split,
                    "slice": name,
                    "metric": metric,
                    "value": figure,
                    "low": low,
                    "high": high,
                    "n": len(part),
                    "baseline": naive[strongest[metric]][metric],
                    "baseline_name": strongest[metric],
                }
            )
    return records


def _same_rows(one: Sample, other: Sample) -> None:
    if one.scores.shape != other.scores.shape or not np.array_equal(one.truth, other.truth):
        raise ValueError(
            f"two samples to compare must hold the same rows in the same order: their scores have the shapes "
            f"{one.scores.shape} and {other.scores.shape}, and their truths must be equal"
        )


def slice_rows(rows: int, slices: Mapping[str, npt.NDArray[Any]]) -> Iterator[tuple[str, Integers]]:
    """Give the name and the row numbers of each slice: `all`, then column by column, the most frequent value first.

    `slices` and the names are those of `metric_rows`.
    """
    import pandas as pd

    yield "all", np.arange(rows)
    for column, labels in slices.items():
        codes, values = pd.factorize(np.asarray(labels, dtype=object))
        names = [_slice_name(column, str(text)) for text in values] + [_slice_name(column, None)]
        codes = np.where(codes < 0, len(values), codes)
        counts = np.bincount(codes, minlength=len(names))
        kept = [code for code in range(len(names)) if counts[code]]
        for code in sorted(kept, key=lambda code: (-counts[code], names[code]))[:SLICE_VALUES]:
            yield names[code], np.flatnonzero(codes == code)


def _slice_name(column: str, text: str | None) -> str:
    """Name a slice so that no two share a name: a text that reads NULL, for one, is put in quotes."""
    if "=" in column or column.startswith('"'):
        column = '"' + column.replace('"', '""') + '"'
    if text is None:
        return f"{column}=NULL"
    if text == "NULL" or text.startswith("'"):
        text = "'" + text.replace("'", "''") + "'"
    return f"{column}={text}"


def _stream(seed: int, *words: str) -> np.random.Generator:
    """Give the random stream of a seed and some words: other words, other draws."""
    digest = hashlib.sha256(repr(words).encode("utf-8", "backslashreplace")).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:16], "big")])


def _draws(rows: int, rng: np.random.Generator, resamples: int) -> Iterator[Floats]:
    """Draw as many rows as there are, with replacement, and say how often each row was drawn."""
    for _ in range(resamples):
        yield np.bincount(rng.integers(0, rows, rows), minlength=rows).astype(np.float64)


def _intervals(sample: Sample, rng: np.random.Generator, resamples: int) -> dict[str, Interval]:
    """Give the percentile interval of every metric of the sample's task."""
    metrics = metrics_for(sample.task)
    if len(sample) < 2:
        return dict.fromkeys(metrics, (None, None))
    drawn = (Weighted(sample, weights) for weights in _draws(len(sample), rng, resamples))
    figures = np.array([[value(weighted, metric) for metric in metrics] for weighted in drawn])
    return {metric: _percentiles(figures[:, place], _INTERVAL) for place, metric in enumerate(metrics)}


def _percentiles(figures: Floats, confidence: float) -> Interval:
    defined = figures[np.isfinite(figures)]
    if not len(defined):
        return None, None
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class Gain:
    """What the challenger gains on the incumbent, in the metric's own direction: more is always better.

    `low` and `high` bound the gain with the stated confidence; `probability` is the share of resamples with
    a gain above `min_gain`; `better` says that the whole interval lies above it. None where not defined.
    """

    metric: str
    challenger: float | None
    incumbent: float | None
    gain: float | None
    low: float | None
    high: float | None
    probability: float | None
    confidence: float
    min_gain: float
    rows: int
    better: bool

    def sentence(self, against: str) -> str:
        """Say in words what was measured; `against` names the incumbent, as in `the champion`."""
        if self.challenger is None or self.incumbent is None or self.gain is None:
            return f"{self.metric} is not defined on these {self.rows:,} rows: no gain on {against} can be shown"
        figures = [self.gain, *(edge for edge in (self.low, self.high) if edge is not None)]
        places = _places([self.challenger, self.incumbent], figures, self.min_gain)
        gain, *edges = (_rounded(figure, places, "+") for figure in figures)
        interval = f" ({self.confidence * 100:g} % interval {' to '.join(edges)})" if edges else ""
        asked = f", of which {_rounded(self.min_gain, places, '+')} is asked" if self.min_gain else ""
        new, old = _rounded(self.challenger, places), _rounded(self.incumbent, places)
        compared = f"{self.metric} {new} against {old} of {against} on the same {self.rows:,} rows"
        return f"{compared}: {gain}{interval}{asked}"


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


def paired_gain(
    challenger: Sample,
    incumbent: Sample,
    metric: str,
    confidence: float,
    min_gain: float,
    seed: int = 0,
    resamples: int = 1000,
) -> Gain:
    """Compare two models on the same rows by a paired bootstrap: both are measured on the same resamples.

    `gain` is what the challenger is better by, so of rmse the incumbent's minus its own. A resample on which
    the metric is not defined speaks against the challenger. Raises ValueError when the samples hold different
    rows.
    """
    _same_rows(challenger, incumbent)
    sign = 1.0 if greater_is_better(metric) else -1.0
    new, old = value(Weighted(challenger), metric), value(Weighted(incumbent), metric)
    gain = sign * (new - old)
    defined = math.isfinite(gain)
    gains = np.empty(resamples if defined else 0)
    for place, weights in enumerate(_draws(len(challenger), _stream(seed, "paired"), len(gains))):
        drawn, held = Weighted(challenger, weights), Weighted(incumbent, weights)
        gains[place] = sign * (value(drawn, metric) - value(held, metric))
    low, high = _percentiles(gains, confidence)
    probability = float(np.mean(gains > min_gain)) if len(gains) else None
    return Gain(
        metric=metric,
        challenger=json_number(new),
        incumbent=json_number(old),
        gain=json_number(gain),
        low=low,
        high=high,
        probability=probability,
        confidence=confidence,
        min_gain=min_gain,
        rows=len(challenger),
        better=low is not None and low > min_gain and probability is not None and probability >= confidence,
    )


def calibration_rows(sample: Sample, bins: int = 10) -> list[dict[str, Any]]:
    """Compare what was predicted with what was observed, in bins of about equal numbers of rows.

    Two classes: the positive's probability with the share of positives. Many: the probability of the
    predicted class with the share of rows where it is right. Regression: the mean prediction with the mean
    truth. Equal predictions share a bin, so there can be fewer bins than asked for. Gives records
    `bin, n, mean_predicted, observed`.
    """
    predicted, observed = _predicted_and_observed(sample)
    order = np.argsort(predicted, kind="stable")
    predicted, observed = predicted[order], observed[order]
    last = np.ceil(np.arange(1, bins + 1) * len(sample) / bins).astype(np.int64) - 1
    ends = np.unique(np.searchsorted(predicted, predicted[last[last >= 0]], side="right"))
    return [
        {
            "bin": place,
            "n": int(end - start),
            "mean_predicted": float(predicted[start:end].mean()),
            "observed": float(observed[start:end].mean()),
        }
        for place, (start, end) in enumerate(zip(np.append(0, ends)[:-1], ends, strict=True))
    ]


def predictions(sample: Sample) -> Floats:
    """Give the number that is watched of each prediction.

    Regression: the prediction; two classes: the probability of the positive one; many: that of the predicted class.
    """
    if sample.task == "regression":
        return sample.scores
    return sample.scores[:, 1] if sample.binary else np.asarray(sample.scores.max(axis=1))


def _predicted_and_observed(sample: Sample) -> tuple[Floats, Floats]:
    if sample.task == "regression":
        return predictions(sample), sample.truth
    right = sample.truth if sample.binary else sample.predicted == sample.truth
    return predictions(sample), right.astype(np.float64)
