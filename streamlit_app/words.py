"""What the words on the pages mean, as the glossary (docs/glossary.md) and the catalogue of metrics say it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mlbridge.catalogue.drift import DRIFT_METRICS
from mlbridge.catalogue.metrics import METRICS

WORDS: Final = {
    "alert": "A figure beyond its threshold in a window that can be judged: one that is over, but for missing and "
    "unseen values.",
    "baseline": "The metric's value without skill on the same rows, such as the share of positives for average "
    "precision.",
    "baseline of drift": "What a window is compared with: `training`, or `previous`, the version's window before.",
    "estimated": "Performance over all rows, expected without outcomes, from the scores (of a regression from features "
    "and prediction); right only as long as the relation of features and outcome is unchanged.",
    "realized": "Performance over rows whose outcome is known.",
    "slice": "The rows that share one value of a column, such as a region; `all` is all rows.",
    "threshold": "The value beyond which a figure is an alert.",
    "verdict": "What is known about a model as a whole: `fine`, `look`, `act` or `cannot tell`.",
    "version": "The result of one training, numbered from 1 for each model.",
    "window": "A day, week (from Monday) or month (UTC) of prediction times, over which every figure of the monitor is "
    "computed.",
}
"""The glossary's own words, by term; a test compares them."""


def of_metrics(names: Iterable[str]) -> str:
    """Explain metrics and drift metrics, a line each; a name that is no metric is left out."""
    meanings = {name: metric.meaning for name, metric in METRICS.items()}
    meanings |= {name: metric.formula for name, metric in DRIFT_METRICS.items()}
    return "\n\n".join(f"**{name}**: {meanings[name]}" for name in names if name in meanings)
