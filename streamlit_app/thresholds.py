"""The tabs of the page Performance about two classes: what a threshold gives, and what the score is worth."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps

import altair as alt
import pandas as pd
import streamlit as st

from mlbridge import monitor
from mlbridge.app import fmt, page
from mlbridge.app.charts import curves
from mlbridge.app.charts import performance as charts

# The points of the chosen rows, and of what they are compared with, by name.
Named = list[tuple[str, pd.DataFrame]]
# A tab about a model's row, a version, a period and a slice.
View = Callable[[pd.Series, int, page.Period, str], None]
INTERVALS = (
    "The band is a 95 % interval at each point by itself (Wilson, with the rows divided by the design effect of the "
    "training's test rows)."
)


def calibration(row: pd.Series, title: str, frame: pd.DataFrame) -> None:
    """Draw a calibration curve: observed shares against predicted probabilities."""
    page.figure(
        title,
        "The observed share of positives against the predicted probability. On the diagonal probabilities are well "
        "calibrated; below it they are too high, above it too low. Bars are 95 % intervals.",
        charts.calibration(frame),
        frame,
        unit=f"Unit: share of rows with outcome {row.positive}",
        n=frame["n"].sum(),
        key="calibration",
    )


def two_classes(row: pd.Series, version: int, period: page.Period, part: str) -> None:
    """Show what a threshold gives, and what the score is worth at all thresholds; what is not open is not computed."""
    views = {
        "At a threshold": at_threshold, "All thresholds": all_thresholds, "ROC": roc, "Precision and recall": curve,
        "Gain and lift": gains, "Costs": costs,
    }  # fmt: skip
    page.tabs({name: partial(view, row, version, period, part) for name, view in views.items()}, "analysis")


def at_threshold(row: pd.Series, version: int, period: page.Period, part: str) -> None:
    """Show the calibration of the probabilities, and the confusion matrix and rates at a threshold."""
    all_rows(part)
    scores = page.ask(monitor.scores, model=row.model, version=version, **period)
    if scores.empty:
        page.show_notice(
            "No confusion matrix yet",
            "No outcome of these rows is known yet. The calibration is that on the test rows of the training.",
        )
        kept = page.ask(monitor.stored_calibration, model=row.model, version=version)
        calibration(row, "Calibration in the training", kept)
        return
    threshold = pick_threshold()
    rates = monitor.rates(scores, threshold)
    line = st.container(horizontal=True)
    for name in ("precision", "recall", "specificity", "f1", "accuracy", "alert_rate"):
        line.metric(name.replace("_", " ").capitalize(), fmt.share(rates[name]), width=130)
    left, right = st.columns(2)
    with left:
        calibration(row, "Calibration", page.ask(monitor.calibration, model=row.model, version=version, **period))
    with right:
        confusion(row, monitor.confusion(scores, threshold), threshold)


def all_rows(part: str) -> None:
    """Say that a slice which is chosen does not apply."""
    if part != "all":
        st.caption(f"All rows of the version, not only those where {fmt.plain(part)}.")


def pick_threshold() -> float:
    """Show the slider for the threshold."""
    return page.slide("Probability from which a row is predicted positive", "threshold", (0.0, 1.0), 0.5, 0.005)


def points_of(row: pd.Series, version: int, period: page.Period, part: str) -> Named:
    """Return the points of the chosen rows, and of the test rows where all rows are chosen; a notice without any."""
    steps = page.ask(monitor.score_steps, model=row.model, version=version, slice=part, **period)
    if steps.empty:
        page.show_notice(
            "No outcome was counted by score",
            "No outcome of these rows is known yet, or they were counted by mlbridge 0.9 or older, which did not keep "
            "outcomes by score.",
            "A window is counted again when its rows or outcomes change.",
        )
        return []
    effects = page.ask(monitor.design_effects, model=row.model, version=version)
    found = [("these rows", monitor.curve(steps, effects))]
    if part == "all":
        held = page.ask(monitor.holdout_steps, model=row.model, version=version)
        found += [("test rows of the training", monitor.curve(held))] if len(held) else []
    return found


def of_points(view: Callable[[pd.Series, Named, str], None]) -> View:
    """Make a view of the points of a curve one of the chosen rows; a notice where no outcome was counted."""

    @wraps(view)
    def shown(row: pd.Series, version: int, period: page.Period, part: str) -> None:
        named = points_of(row, version, period, part)
        if named:
            view(row, named, part)

    return shown


@of_points
def roc(row: pd.Series, named: Named, part: str) -> None:
    """Draw the ROC curve, then and now."""
    figure(
        "ROC curve",
        "The share of the positives that is found against the share of the negatives that is flagged, at each "
        f"threshold. On the dotted diagonal the score is worth nothing. {INTERVALS} The test rows have ten points.",
        curves.roc(named),
        named,
        part,
        unit=f"Unit: share of the rows with outcome {row.positive}, and of the others",
        key="roc",
    )


@of_points
def curve(row: pd.Series, named: Named, part: str) -> None:
    """Draw the precision-recall curve, then and now."""
    figure(
        "Precision-recall curve",
        "How many of the flagged rows are right against how many of the positives are found, at each threshold. "
        f"The dotted line is the share of positives. {INTERVALS} A window with more positives lies higher: compare "
        "the distance to the line.",
        curves.precision_recall(named),
        named,
        part,
        unit=f"Unit: share of flagged rows, and of rows with outcome {row.positive}",
        key="precision_recall",
    )


@of_points
def all_thresholds(row: pd.Series, named: Named, part: str) -> None:
    """Draw precision and recall by threshold."""
    threshold = pick_threshold()
    figure(
        "Precision and recall by threshold",
        f"Both at each threshold; the vertical line is at {threshold:.3f}. {INTERVALS}",
        curves.by_threshold(named[0][1], threshold),
        named,
        part,
        unit=f"Unit: share of flagged rows (precision), of rows with outcome {row.positive} (recall)",
        key="by_threshold",
    )


@of_points
def gains(row: pd.Series, named: Named, part: str) -> None:
    """Draw what the rows with the highest scores hold."""
    percent = page.slide("Rows with the highest scores, in percent", "top", (1.0, 100.0), 5.0, 1.0)
    found = monitor.gain(named[0][1], percent / 100)
    st.markdown(
        f"The **top {percent:.0f} %** ({fmt.count(found['flagged'])} rows) hold **{fmt.share(found['recall'])}** of "
        f"the rows with outcome {fmt.plain(row.positive)}: {fmt.share(found['precision'])} of them are, "
        f"**{fmt.number(found['lift'])} times** as many as among all rows."
    )
    figure(
        "Cumulative gain",
        "The share of all positives among the rows with the highest scores. On the dotted diagonal the order is "
        f"random; the height above it, as a multiple, is the lift. {INTERVALS}",
        curves.gains(named, percent / 100),
        named,
        part,
        unit=f"Unit: share of the rows with outcome {row.positive}",
        key="gains",
    )


@of_points
def costs(row: pd.Series, named: Named, part: str) -> None:
    """Draw what each threshold costs, and name the cheapest."""
    left, right = st.columns(2)
    with left:
        alarm = page.slide("Cost of a false alarm", "alarm", (0.0, 100.0), 1.0, 0.5)
    with right:
        miss = page.slide("Cost of a miss", "miss", (0.0, 100.0), 5.0, 0.5)
    frame = monitor.costs(named[0][1], alarm, miss)
    best = frame.iloc[int(frame["cost"].argmin())]
    line = st.container(horizontal=True)
    line.metric("Best threshold", f"{best['threshold']:.3f}", width=145)
    for name, figure_of in (
        ("Cost per 1,000 rows", best["cost"]),
        ("False alarms per 1,000", best["false_alarms"]),
        ("Misses per 1,000", best["misses"]),
        ("If none is flagged", frame["cost"].iloc[0]),
        ("If all are flagged", frame["cost"].iloc[-1]),
    ):
        line.metric(name, fmt.number(figure_of), width=145)
    cheapest, both = "the cheapest threshold of these rows", alarm + miss
    if both:
        cheapest += f"; with well calibrated probabilities it is {alarm / both:.3f}, cost of a false alarm / both"
    figure(
        "Expected cost by threshold",
        "Rows with a higher probability are flagged; what is predicted right costs nothing. The vertical line is at "
        f"{cheapest}.",
        curves.costs(frame, float(best["threshold"])),
        named,
        part,
        unit="Unit: that of the two costs, per 1,000 rows",
        key="costs",
        table=frame,
    )


def figure(  # noqa: PLR0913 - what a figure says of itself
    title: str,
    meaning: str,
    chart: alt.LayerChart,
    named: Named,
    part: str,
    *,
    unit: str,
    key: str,
    table: pd.DataFrame | None = None,
) -> None:
    """Show a chart of the points of a curve, with the points or a `table` of figures made of them."""
    points = named[0][1]
    shown = points if table is None else table
    page.figure(titled(title, part), meaning, chart, shown, unit=unit, n=points["n"].iloc[0], key=key)


def titled(title: str, part: str) -> str:
    """Name the slice in a title where one is chosen."""
    return title if part == "all" else f"{title} where {part}"


def confusion(row: pd.Series, counted: pd.DataFrame, threshold: float) -> None:
    """Draw the four counts at a threshold."""
    names = {"positive": row.positive, "negative": row.classes[0]}
    frame = counted.replace({"actual": names, "predicted": names})
    page.figure(
        f"Confusion matrix at {threshold:.3f}",
        f"The rows with a known outcome by actual and predicted class ({row.positive} or not) at this threshold. The "
        "shade is the share of the actual class.",
        charts.confusion(frame),
        frame,
        unit="Unit: rows",
        n=frame["n"].sum(),
        key="confusion",
    )
