"""What metrics and predictions were in each window of the rows that the fit never saw: what monitoring starts from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlbridge.evaluate import Sample, measure, predictions, slice_rows
from mlbridge.metrics import json_number
from mlbridge.profile import PREDICTION, bins_of
from mlbridge.sample import Floats, Integers


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
    window that has rows of it, and metric (None where it is not defined), with `baseline`, that of `naive` on these
    rows, and `bin` None; and one per window and bin (as `bins_of` numbers them) that has rows, with the metric
    `ml_prediction`, `value` and `baseline` None and the rows in `n`.
    """
    starts, codes = np.unique(windows, return_inverse=True)
    names = [text.replace("T", " ") for text in np.datetime_as_string(starts, unit="s").tolist()]
    places = bins_of(pd.Series(predictions(sample)), bins)
    records: list[dict[str, Any]] = []

    def add(window: int, name: str, metric: str, rows: int, **said: Any) -> None:
        which = {"window_size": size, "window": names[window], "split": split, "slice": name, "metric": metric}
        records.append({**which, "bin": None, "value": None, "baseline": None, "n": rows, **said})

    for name, rows in slice_rows(len(sample), slices):
        for window, part in _by_window(rows, codes):
            here = sample.take(part)
            beside = naive(here)
            for metric, figure in measure(here).items():
                add(window, name, metric, len(part), value=figure, baseline=beside[metric])
    for window, part in _by_window(np.arange(len(sample)), codes):
        for place, count in zip(*np.unique(places[part], return_counts=True), strict=True):
            add(window, "all", PREDICTION, int(count), bin=int(place))
    return records


def _by_window(rows: Integers, codes: Integers) -> Iterator[tuple[int, Integers]]:
    """Part row numbers by their window, the earliest first."""
    order = rows[np.argsort(codes[rows], kind="stable")]
    for part in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
        if len(part):
            yield int(codes[part[0]]), part


def naive(sample: Sample) -> dict[str, float | None]:
    """Give what no skill reaches on the rows of a sample, by metric; None where that is not defined.

    The best constant for each metric: the rows' own class shares, mean or median; of the median absolute error the
    middle of the shortest half (Rousseeuw, J. Am. Stat. Assoc. 79, 1984). Of recall, which a constant can make
    1, flagging as many rows as the model does, but at random. Of many classes as for the metrics: means over the
    classes that occur or are predicted. The macro `class_metrics` says the same of windows that are scored.
    """
    found = _naive_numbers(sample.truth) if sample.task == "regression" else _naive_classes(sample)
    return {metric: json_number(figure) for metric, figure in found.items()}


def _naive_numbers(truth: Floats) -> dict[str, float]:
    truth = np.sort(truth)
    half = len(truth) // 2
    widths = truth[half:] - truth[: len(truth) - half]
    spread = {
        "rmse": float(np.std(truth)),
        "mae": float(np.abs(truth - np.median(truth)).mean()),
        "median_absolute_error": float(widths.min() / 2),
    }
    known = {metric: figure if figure > 0 else float("nan") for metric, figure in spread.items()}
    return {**known, "r2": 0.0 if truth[-1] > truth[0] else float("nan")}


def _naive_classes(sample: Sample) -> dict[str, float]:
    classes = sample.scores.shape[1]
    shares = np.bincount(sample.truth, minlength=classes) / len(sample)
    flagged = np.bincount(sample.predicted, minlength=classes) / len(sample)
    known = shares[shares > 0]
    counted = np.array([False, True]) if sample.binary else shares + flagged > 0
    gini = 1 - float((shares**2).sum())
    greatest = float(shares[1] if sample.binary else shares.max())
    return {
        "average_precision": float(shares[counted].mean()),
        "roc_auc": 0.5,
        "log_loss": -float((known * np.log(known)).sum()) + 0.0,
        "brier": gini / 2 if sample.binary else gini,
        "accuracy": float(shares.max()),
        "precision": float(shares[counted].mean()),
        "recall": float(flagged[counted].mean()),
        "f1": 2 * greatest / (1 + greatest) / int(counted.sum()),
    }
