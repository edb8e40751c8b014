"""How good a model is, on rows that its fit never saw: every figure with its interval and its number of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypedDict

import numpy as np

from mlbridge.catalogue.metrics import metrics_for
from mlbridge.evaluation.baselines import strongest_by_metric
from mlbridge.evaluation.blocks import Blocks, too_few_blocks
from mlbridge.evaluation.intervals import interval, sampling_error
from mlbridge.evaluation.long_texts import shortened
from mlbridge.evaluation.metrics import measure
from mlbridge.evaluation.sample import Sample, same_rows
from mlbridge.typing import Array, Floats, Integers

SLICE_VALUES: Final = 50
"""How many values of a slice column are measured at most, the most frequent first."""

FLAGGED: Final = "as many at random"
"""The baseline of recall: as many rows as the model predicts positive, chosen at random."""


class MetricRecord(TypedDict):
    """A metric on the rows of a slice, beside its baseline; what is not defined is None.

    `block` is the unit of the blocks of dependent rows, `blocks` is their number.
    """

    split: str
    slice: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    baseline: float | None
    baseline_name: str
    block: str
    blocks: int
    design_effect: float | None


class CalibrationRecord(TypedDict):
    """A bin of rows: what was predicted of them on average, and what was observed."""

    bin: int
    n: int
    mean_predicted: float
    observed: float


def metric_rows(
    split: str,
    sample: Sample,
    baselines: Mapping[str, Sample],
    slices: Mapping[str, Array],
    blocks: Blocks | None = None,
    design_effects: Mapping[str, float] | None = None,
) -> list[MetricRecord]:
    """Measure a model on all rows (`slice` is `all`) and on the rows of each slice, beside the strongest baseline.

    Returns one record per slice and metric, ready for JSON. `slices` maps a column to the rows' labels; a slice is
    named `column=value`, or `column=NULL` where the label is missing. `baselines` are naive models by name, on the same
    rows; the strongest in a metric on all rows is the baseline of its slices too. `low` and `high` are the 95 %
    interval by `blocks`, without which rows are independent; where there are too few, `design_effects` by metric widen
    that of independent rows. A figure that is not defined on the rows is None; so is an interval that cannot be stated.
    Raises ValueError when a baseline holds other rows than the sample.
    """
    blocks = blocks or Blocks.rows(len(sample))
    design_effects_by_metric = dict(design_effects or {})
    for baseline in baselines.values():
        same_rows(sample, baseline)
    strongest = strongest_by_metric(metrics_for(sample.task), baselines)
    if sample.binary:
        strongest["recall"] = FLAGGED
    records: list[MetricRecord] = []
    for name, rows in slice_rows(len(sample), slices):
        part, together = sample.take(rows), blocks.take(rows)
        naive = {each: measure(baseline.take(rows)) for each, baseline in baselines.items()}
        for metric, figure in measure(part).items():
            named = strongest[metric]
            found = (
                None if figure is None else sampling_error(part, metric, together, design_effects_by_metric.get(metric))
            )
            if name == "all" and found is not None and not together.too_few:
                design_effects_by_metric.setdefault(metric, found.design_effect)
            low, high = (None, None) if figure is None or found is None else interval(part, metric, figure, found)
            records.append(
                {
                    "split": split,
                    "slice": name,
                    "metric": metric,
                    "value": figure,
                    "low": low,
                    "high": high,
                    "n": len(part),
                    "baseline": _flagged(part) if named == FLAGGED else naive[named][metric],
                    "baseline_name": named,
                    "block": together.unit,
                    "blocks": together.count,
                    "design_effect": None if found is None else found.design_effect,
                }
            )
    return records


def design_effects(records: Iterable[MetricRecord]) -> dict[str, float]:
    """Return the design effect over all rows by metric, from records of `metric_rows` with enough blocks."""
    return {
        each["metric"]: each["design_effect"]
        for each in records
        if each["slice"] == "all"
        and each["design_effect"] is not None
        and not too_few_blocks(each["block"], each["blocks"])
    }


def _flagged(sample: Sample) -> float | None:
    """Return the share of rows that are predicted positive: the recall of as many rows chosen at random."""
    return float((sample.predicted == 1).mean()) if len(sample) else None


def slice_rows(rows: int, slices: Mapping[str, Array]) -> Iterator[tuple[str, Integers]]:
    """Return the name and the row numbers of each slice: `all`, then column by column, the most frequent value first.

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
    """Name a slice so that no two share a name: a text that reads NULL, for one, is put in quotes.

    A long text is shortened: a name is stored once for each metric and window. `slice_of` in
    `macros/monitor/windows/entries.sql` says the same.
    """
    if "=" in column or column.startswith('"'):
        column = '"' + column.replace('"', '""') + '"'
    if text is None:
        return f"{column}=NULL"
    text = shortened(text)
    if text == "NULL" or text.startswith("'"):
        text = "'" + text.replace("'", "''") + "'"
    return f"{column}={text}"


def calibration_rows(sample: Sample, bins: int = 10) -> list[CalibrationRecord]:
    """Compare what was predicted with what was observed, in bins of about equal numbers of rows.

    Two classes: the positive's probability with the share of positives. Many: the probability of the
    predicted class with the share of rows where it is right. Regression: the mean prediction with the mean
    truth. Equal predictions share a bin, so there can be fewer bins than asked for.
    """
    predicted, observed = _predicted_and_observed(sample)
    order = np.argsort(predicted, kind="stable")
    predicted, observed = predicted[order], observed[order]
    last = np.ceil(np.arange(1, bins + 1) * len(sample) / bins).astype(np.int64) - 1
    ends = np.unique(np.searchsorted(predicted, predicted[last[last >= 0]], side="right"))
    return [
        {
            "bin": number,
            "n": int(end - start),
            "mean_predicted": float(predicted[start:end].mean()),
            "observed": float(observed[start:end].mean()),
        }
        for number, (start, end) in enumerate(zip(np.append(0, ends)[:-1], ends, strict=True))
    ]


def predictions(sample: Sample) -> Floats:
    """Return the number by which each prediction is monitored, shape (n,).

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
