"""The tables of a model card, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from mlbridge.engines.warehouse import parse_type
from mlbridge.features.columns import TEMPORAL
from mlbridge.monitor.markdown import NO_VALUE, count, interval, moment, number, table, text
from mlbridge.typing import Row

Records = Sequence[Row]


def figures(metrics: Records) -> str:
    """Every metric on the test and on the validation rows."""
    rows = [
        [each["metric"], each["split"], *_figures(each)]
        for split in ("test", "validation")
        for each in metrics
        if each["slice"] == "all" and each["split"] == split
    ]
    return table(["metric", "rows of", "value", "95 % interval", "baseline", "n"], rows, right=2)


def _figures(each: Row) -> list[str]:
    return [number(each["value"]), interval(each["low"], each["high"]), number(each["baseline"]), count(each["n"])]


def slices(metrics: Records, metric: str) -> str:
    """One metric over all rows and for each slice, the largest slices of a column first."""
    found = [each for each in metrics if each["split"] == "test" and each["metric"] == metric]
    parts = [each for each in found if each["slice"] != "all"]
    if not parts:
        return "No slice was measured."
    parts = sorted(parts, key=lambda each: (each["slice"].partition("=")[0], -each["n"], each["slice"]))
    rows = [[text(each["slice"]), *_figures(each)] for each in [each for each in found if each not in parts] + parts]
    return table(["slice", "value", "95 % interval", "baseline", "n"], rows)


def calibration(records: Records, classes: list[str] | None, positive: str | None) -> str:
    """Predicted against observed, in bins of about equal numbers of rows."""
    if classes is None:
        heads = ["mean prediction", "mean outcome"]
    elif positive is not None:
        heads = [f"mean probability of {text(positive)}", f"share of {text(positive)}"]
    else:
        heads = ["mean probability of the predicted class", "share predicted right"]
    rows = [[number(each["mean_predicted"]), number(each["observed"]), count(each["n"])] for each in records]
    return table([*heads, "n"], rows, right=0)


def importances(found: Records, features: Records, metric: str) -> str:
    """Each feature as the training rows had it, with its permutation importance, the most important first."""
    unknown = {"mean": None, "std": None, "n": None}
    measured = {each["feature"]: each for each in found}
    rows = [(feature, measured.get(feature["name"], unknown)) for feature in features]
    rows.sort(key=lambda row: (row[1]["mean"] is None, -(row[1]["mean"] or 0.0), row[0]["name"]))
    n = max((each["n"] for each in found), default=None)
    intro = (
        f"How much worse {metric} gets when a feature's values are permuted among {count(n)} validation rows: mean and "
        "standard deviation of five permutations. About 0 or below: not used. Correlated features share importance."
    )
    cells = [
        [
            text(feature["name"]), text(feature["type"]), _values(feature), _share(feature["nulls"], feature["rows"]),
            number(each["mean"]), number(each["std"]),
        ]
        for feature, each in rows
    ]  # fmt: skip
    heads = ["feature", "type", "values in training", "missing", "importance", "std"]
    return f"{intro}\n\n{table(heads, cells, right=3)}"


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else NO_VALUE


def _values(feature: Row) -> str:
    """Return the number of distinct values in training, or for numbers and times their range."""
    if feature["kind"] == "category":
        return f"{count(feature['distinct'])} different"
    low, high = feature["min"], feature["max"]
    if low is not None and high is not None and parse_type(feature["type"]).is_type(*TEMPORAL):
        try:
            return " to ".join(moment(datetime(1970, 1, 1) + timedelta(seconds=each)) for each in (low, high))
        except OverflowError:
            return NO_VALUE
    return interval(low, high)
