"""The performance of a model by window, and an analysis of its errors."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from mlbridge import monitor
from mlbridge.app import fmt, page, thresholds
from mlbridge.app.behind import behind
from mlbridge.app.charts import performance as charts
from mlbridge.app.words import WORDS, of_metrics

ALL = "all windows"


def over_time(row: pd.Series, metric: str, part: str) -> None:
    """Draw the metric over all windows and versions, with the champion's changes."""
    frame = page.ask(monitor.history, model=row.model, metric=metric, slice=part)
    if frame.empty:
        page.show_notice(
            "Not measured yet",
            f"No version of {row.model} has a figure of {metric} here: no outcome is known, and it is not estimated.",
            "It is measured with the build that finds the first outcomes in the target column; choose another metric.",
        )
        return
    if not (frame["kind"] == "realized").any():
        page.show_notice(
            "No outcome is known yet",
            "Only estimates are shown. They hold if the outcome still depends on the features as it did in training.",
            "Realized metrics appear with the build that finds the first outcomes in the target column.",
        )
    if frame["window"].nunique() == 1:
        page.show_notice("One window only", "A trend needs at least two windows.", "The next window adds a point.")
    promotions = page.ask(monitor.promotions, model=row.model)
    page.figure(
        f"{metric} per {row.window_size}" + ("" if part == "all" else f" where {part}"),
        "The metric of each version: realized where outcomes are known, else estimated. Bars are 95 % intervals (a "
        "band where windows are many), a ring is an alert, the dotted line is the threshold, grey ticks or a grey line "
        "are the naive baseline on the same rows, and a vertical line marks a new champion. A window that has not "
        "ended or has few rows is pale, and may lie outside.",
        charts.history_with_champions(frame, promotions, metric, row.window_size),
        frame,
        unit=f"Unit: {metric}, {better(row, metric)}",
        n=page.measured(frame),
        key="history",
    )


def better(row: pd.Series, metric: str) -> str:
    """Return whether higher or lower is better for the model's own metric; for others, the metric it is chosen by."""
    if metric != row.metric:
        return f"the model is chosen by {row.metric}"
    return "higher is better" if row.greater_is_better else "lower is better"


def slices(row: pd.Series, version: int, metric: str, window: pd.Timestamp) -> None:
    """Compare the slices within one window."""
    if page.ask(monitor.slices, model=row.model) == ["all"]:
        page.show_notice(
            "No slices",
            f"{row.model} is measured over all rows only.",
            "Name columns in the spec, `monitor: {slices: [carrier]}`, and each of their values is measured as well.",
        )
        return
    frame = page.ask(monitor.by_slice, model=row.model, version=version, metric=metric, window=window)
    if frame.empty:
        page.show_notice("No slice measured", "This window has no figures by slice.")
        return
    page.figure(
        f"{metric} by slice, {fmt.window(window, row.window_size)}",
        "The metric of each slice. Bars are 95 % intervals, the dotted line is the metric over all rows, a ring is an "
        "alert.",
        charts.slices(frame, metric),
        frame,
        unit=f"Unit: {metric}",
        n=page.measured(frame[frame["slice"] == "all"]),
        key="slices",
    )


def classes(row: pd.Series, version: int, period: page.Period) -> None:
    """Show the confusion matrix of more than two classes."""
    least = page.slide("Minimum predicted probability", "at_least", (0.0, 1.0), 0.0, 0.05)
    frame = page.ask(monitor.confusion_classes, model=row.model, version=version, at_least=least, **period)
    if frame.empty:
        page.show_notice("No confusion matrix", "No row with a known outcome has so high a predicted probability.")
        return
    page.figure(
        "Confusion matrix",
        "Rows by actual and predicted class; correct predictions are on the diagonal.",
        charts.confusion(frame),
        frame,
        unit="Unit: rows",
        n=frame["n"].sum(),
        key="confusion",
    )


def residuals(row: pd.Series, version: int, period: page.Period) -> None:
    """Show the residuals: the distribution of actual minus predicted."""
    frame = page.ask(monitor.residuals, model=row.model, version=version, **period)
    if frame.empty:
        page.show_notice("No residuals yet", "No outcome of these rows is known yet.")
        return
    widest = float(max(abs(frame["lower"].min()), abs(frame["upper"].max())))
    step = float(frame["upper"].iloc[0] - frame["lower"].iloc[0])
    tolerance = page.slide("Tolerated absolute error", "tolerance", (0.0, widest), min(step * 5, widest), step)
    within = page.ask(monitor.within, model=row.model, version=version, tolerance=tolerance, **period)
    page.figure(
        "Residuals",
        f"Actual minus predicted value: {fmt.share(within)} of the rows have an absolute error of at most "
        f"{fmt.number(tolerance)}. The first and the last bar include all more extreme rows.",
        charts.residuals(frame, tolerance),
        frame,
        unit="Unit: rows; actual minus predicted, in the target's unit",
        n=frame["n"].sum(),
        key="residuals",
    )


def newest(windows: pd.DataFrame) -> Any | None:
    """Return the newest window that says most: with enough outcomes, else over with enough rows, else the newest."""
    over = windows["is_complete"]
    labelled = windows[(windows["rows_labelled"] >= monitor.ENOUGH_ROWS) & over]
    scored = windows[(windows["rows_scored"] >= monitor.ENOUGH_ROWS) & over]
    return next((list(page.rows(each))[-1] for each in (labelled, scored, windows) if len(each)), None)


def draw() -> None:
    """Draw the page."""
    top = st.container(horizontal=True)
    with top:
        model = page.pick_model(champions_only=True)
        names = page.ask(monitor.metrics, model=model.model)
        chosen_metric = page.pick("Metric", names, "metric", help=of_metrics(names))
        chosen_slice = page.pick("Slice", page.ask(monitor.slices, model=model.model), "slice", help=WORDS["slice"])
    scored = page.ask(monitor.volumes, model=model.model)
    if scored.empty:
        raise page.NothingToShow(
            "Nothing measured yet",
            f"No row of {model.model} has been scored after a training period.",
            "The first window appears with the first build that scores newer rows.",
        )
    over_time(model, chosen_metric, chosen_slice)

    st.header("Error analysis")
    with st.container(horizontal=True):
        numbers = [str(number) for number in sorted(scored["version"].unique(), reverse=True)]
        chosen_version = int(page.pick("Version", numbers, "version", str(model.version), WORDS["version"]))
        found = page.ask(monitor.windows, model=model.model, version=chosen_version)
        days = {f"{each.window:%Y-%m-%d}": each for each in page.rows(found)}
        chosen_window = page.pick("Window", [ALL, *reversed(days)], "window", help=WORDS["window"])
    limits: page.Period = {"since": None, "until": None}
    compared = newest(found)
    if chosen_window != ALL:
        compared = days[chosen_window]
        limits = {"since": compared.window, "until": compared.window_end}
    if compared is not None:
        behind(model, chosen_version, chosen_metric, compared.window, compared.window_end)
    model = page.of_version(model, chosen_version)
    if model.positive:
        thresholds.two_classes(model, chosen_version, limits, chosen_slice)
    elif model.task == "classification":
        thresholds.all_rows(chosen_slice)
        classes(model, chosen_version, limits)
    else:
        thresholds.all_rows(chosen_slice)
        residuals(model, chosen_version, limits)
    if compared is not None:
        slices(model, chosen_version, chosen_metric, compared.window)


page.show("Performance", draw)
