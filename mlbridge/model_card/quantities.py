"""The figures of a version: metrics over all rows and by slice, calibration, and features with their importance."""

from __future__ import annotations

from datetime import datetime, timedelta

from mlbridge.engines.warehouse import parse_type
from mlbridge.features.columns import TEMPORAL
from mlbridge.model_card.data import CardData
from mlbridge.model_card.document import Cell, Interval, Paragraph, Section, Table
from mlbridge.model_card.lineage import origins
from mlbridge.monitor.markdown import NO_VALUE, count, moment
from mlbridge.typing import Row

FIGURES = ["value", "95 % interval", "baseline", "n"]


def quantities(found: CardData) -> Section:
    """Return the section of all figures."""
    metric = found.spec.metric
    parts = [
        Section("All rows", [_all_rows(found)]),
        Section(f"Slices, {metric} on the test rows", [_slices(found)]),
        Section("Calibration on the test rows", [_calibration(found)]),
        _features(found),
        _origins(found),
    ]
    return Section("Quantitative analyses", [], parts)


def _all_rows(found: CardData) -> Table:
    """Every metric on the test and on the validation rows."""
    rows = [
        [each["metric"], each["split"], *_figures(each), each["baseline_name"]]
        for split in ("test", "validation")
        for each in found.figures(split)
    ]
    return Table(["metric", "rows of", *FIGURES, "which baseline"], rows)


def _figures(each: Row) -> list[Cell]:
    return [each["value"], Interval(each["low"], each["high"]), each["baseline"], each["n"]]


def _slices(found: CardData) -> Table | Paragraph:
    """The spec's metric over all test rows and for each slice, the largest slices of a column first."""
    metric = found.spec.metric
    whole, parts = (
        [each for each in found.figures("test", slice_) if each["metric"] == metric] for slice_ in ("all", None)
    )
    if not parts:
        return Paragraph("No slice was measured.")
    parts.sort(key=lambda each: (each["slice"].partition("=")[0], -each["n"], each["slice"]))
    return Table(["slice", *FIGURES], [[each["slice"], *_figures(each)] for each in whole + parts])


def _calibration(found: CardData) -> Table:
    """Predicted against observed, in bins of about equal numbers of rows."""
    if found.classes is None:
        heads = ["mean prediction", "mean outcome"]
    elif found.positive is not None:
        heads = [f"mean probability of {found.positive}", f"share of {found.positive}"]
    else:
        heads = ["mean probability of the predicted class", "share predicted right"]
    records = found.document("calibration")
    return Table([*heads, "n"], [[each["mean_predicted"], each["observed"], each["n"]] for each in records])


def _features(found: CardData) -> Section:
    """Each feature as the training rows had it, with its permutation importance, the most important first."""
    unknown: Row = {"mean": None, "std": None, "n": None}
    measured = {each["feature"]: each for each in found.importances}
    rows = [(feature, measured.get(feature["name"], unknown)) for feature in found.document("features")]
    rows.sort(key=lambda row: (row[1]["mean"] is None, -(row[1]["mean"] or 0.0), row[0]["name"]))
    n = max((each["n"] for each in found.importances), default=None)
    intro = (
        f"How much worse {found.spec.metric} gets when a feature's values are permuted among {count(n)} validation "
        "rows: mean and standard deviation of five permutations. About 0 or below: not used. Correlated features share "
        "importance."
    )
    cells: list[list[Cell]] = [
        [
            feature["name"], feature["type"], _values(feature), _share(feature["nulls"], feature["rows"]),
            each["mean"], each["std"],
        ]
        for feature, each in rows
    ]  # fmt: skip
    table = Table(["feature", "type", "values in training", "missing", "importance", "std"], cells)
    return Section("Features and their importance", [Paragraph(intro), table])


def _origins(found: CardData) -> Section:
    """Each feature with the columns of sources that it comes from, where the training traced them."""
    title = "Where the features come from"
    if not found.lineage:
        return Section(title, [Paragraph("The training did not trace the columns; its sources stand above.")])
    known = origins(found.lineage)
    rows: list[list[Cell]] = []
    for name in sorted(feature["name"] for feature in found.document("features")):
        origin = known.get(name)
        rows.append([name, str(origin) if origin else None, origin.is_personal if origin else None])
    text = "By the SQL of the project, as the training traced it. Joins and filters on the way are left out."
    return Section(title, [Paragraph(text), Table(["feature", "columns of sources", "personal data"], rows)])


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else NO_VALUE


def _values(feature: Row) -> Cell:
    """Return the number of distinct values in training, or for numbers and times their range."""
    if feature["kind"] == "category":
        return f"{count(feature['distinct'])} different"
    low, high = feature["min"], feature["max"]
    if low is not None and high is not None and parse_type(feature["type"]).is_type(*TEMPORAL):
        try:
            return " to ".join(moment(datetime(1970, 1, 1) + timedelta(seconds=each)) for each in (low, high))
        except OverflowError:
            return NO_VALUE
    return Interval(low, high)
