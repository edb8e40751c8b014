"""Metrics and predictions in each window of the validation and test rows, which monitoring compares with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypedDict

import numpy as np

from mlbridge.evaluation.evaluate import predictions, slice_rows
from mlbridge.evaluation.metrics import measure, naive
from mlbridge.evaluation.sample import Sample
from mlbridge.reference.profile import PREDICTION, Bin, bins_of
from mlbridge.typing import Array, Integers, Times


class Found(TypedDict):
    """A metric and its baseline, or the number of a bin of the predictions."""

    bin: int | None
    value: float | None
    baseline: float | None


class ReferenceRecord(Found):
    """A metric or bin count of one window and slice, and its number of rows."""

    window_size: str
    window: str
    split: str
    slice: str
    metric: str
    n: int


def reference_rows(
    split: str,
    sample: Sample,
    size: str,
    windows: Times,
    slices: Mapping[str, Array],
    bins: Sequence[Bin],
) -> list[ReferenceRecord]:
    """Measure a model in each window of a split, on all rows and on each slice that `metric_rows` names.

    `windows` are the starts (datetime64, UTC) of the rows' windows of `size`, shape (n,); `bins` are the profile's
    records of the prediction. Returns records ready for JSON, of two kinds:

    - one per slice, window with rows of it, and metric: `value` (None where it is not defined), `baseline` (the value
      without skill on the same rows), `n` rows, `bin` None;
    - one per window and bin of the prediction with rows: metric `ml_prediction`, `bin` as `bins_of` numbers it, `n`
      rows, `value` and `baseline` None.
    """
    import pandas as pd

    starts, codes = np.unique(windows, return_inverse=True)
    names = [text.replace("T", " ") for text in np.datetime_as_string(starts, unit="s").tolist()]
    row_bins = bins_of(pd.Series(predictions(sample)), bins)
    records: list[ReferenceRecord] = []

    def add(window: int, name: str, metric: str, rows: int, found: Found) -> None:
        records.append(
            {
                "window_size": size,
                "window": names[window],
                "split": split,
                "slice": name,
                "metric": metric,
                **found,
                "n": rows,
            }
        )

    for name, rows in slice_rows(len(sample), slices):
        for window, part in _by_window(rows, codes):
            window_sample = sample.take(part)
            without_skill = naive(window_sample)
            for metric, figure in measure(window_sample).items():
                add(window, name, metric, len(part), {"bin": None, "value": figure, "baseline": without_skill[metric]})
    for window, part in _by_window(np.arange(len(sample)), codes):
        for bin_, count in zip(*np.unique(row_bins[part], return_counts=True), strict=True):
            add(window, "all", PREDICTION, int(count), {"bin": int(bin_), "value": None, "baseline": None})
    return records


def _by_window(rows: Integers, codes: Integers) -> Iterator[tuple[int, Integers]]:
    """Group row numbers by their window, the earliest window first."""
    order = rows[np.argsort(codes[rows], kind="stable")]
    for part in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
        if len(part):
            yield int(codes[part[0]]), part
