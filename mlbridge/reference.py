"""What metrics and predictions were in each window of the rows that the fit never saw: what monitoring starts from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlbridge.evaluate import Sample, measure, predictions, slice_rows
from mlbridge.profile import PREDICTION, bins_of
from mlbridge.sample import Integers


def reference_rows(
    split: str,
    sample: Sample,
    size: str,
    windows: npt.NDArray[np.datetime64],
    slices: Mapping[str, npt.NDArray[Any]],
    bins: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Measure a model in each window of a split, on all rows and on each slice that `metric_rows` names.

    `windows` are the first moments (UTC) of the rows' windows of `size`; `bins` are the profile's records of the
    prediction. Gives records `window_size, window, split, slice, metric, bin, value, n`, ready for JSON: one per slice,
    window that has rows of it, and metric (None where it is not defined), with `bin` None; and one per window and bin
    (as `bins_of` numbers them) that has rows, with the metric `ml_prediction`, `value` None and the rows in `n`.
    """
    starts, codes = np.unique(windows, return_inverse=True)
    names = [text.replace("T", " ") for text in np.datetime_as_string(starts, unit="s").tolist()]
    places = bins_of(pd.Series(predictions(sample)), bins)
    records: list[dict[str, Any]] = []

    def add(window: int, name: str, metric: str, place: int | None, value: float | None, rows: int) -> None:
        which = {"window_size": size, "window": names[window], "split": split, "slice": name}
        records.append({**which, "metric": metric, "bin": place, "value": value, "n": rows})

    for name, rows in slice_rows(len(sample), slices):
        for window, part in _by_window(rows, codes):
            for metric, figure in measure(sample.take(part)).items():
                add(window, name, metric, None, figure, len(part))
    for window, part in _by_window(np.arange(len(sample)), codes):
        for place, count in zip(*np.unique(places[part], return_counts=True), strict=True):
            add(window, "all", PREDICTION, int(place), None, int(count))
    return records


def _by_window(rows: Integers, codes: Integers) -> Iterator[tuple[int, Integers]]:
    """Part row numbers by their window, the earliest first."""
    order = rows[np.argsort(codes[rows], kind="stable")]
    for part in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
        if len(part):
            yield int(codes[part[0]]), part
