"""The tabs of the page Drift about the chosen feature; what is not open is not computed."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from mlbridge import monitor
from mlbridge.app import fmt, page
from mlbridge.app.charts import drift as charts

MOST = 30  # features whose correlations are drawn


def more(row: pd.Series, version: int, selected: pd.Series, baseline: str, name: str) -> None:
    """Show tabs about the feature and the window of a cell; `name` is what the baseline is called."""
    views = {
        "Every metric": lambda: metrics(row, version, selected["feature"], baseline, name),
        "Every window": lambda: windows(row, version, selected),
        "Against the target": lambda: target(row, version, selected),
        "Correlations": lambda: associations(row, version, selected),
    }
    page.tabs(views, "more")


def metrics(row: pd.Series, version: int, feature: str, baseline: str, name: str) -> None:
    """Draw every metric of the feature over time."""
    past = page.ask(monitor.drift_history, model=row.model, version=version, feature=feature, baseline=baseline)
    page.figure(
        f"{feature}: every metric over time",
        f"Each drift metric against {name}, by window, with its threshold (dotted); a ring is an alert. "
        "Windows that have not ended or have few rows may lie outside the axis.",
        charts.drift_history(past, row.window_size),
        past,
        unit="Unit: the metric's own",
        n=past.drop_duplicates("window")["rows_used"].sum(),
        key="drift_history",
    )


def windows(row: pd.Series, version: int, selected: pd.Series) -> None:
    """Draw the feature's distribution in each of the newest windows."""
    frame = page.ask(monitor.distributions, model=row.model, version=version, feature=selected["feature"])
    page.figure(
        f"{selected['feature']}: distribution per {row.window_size}",
        "The share of rows in each bin of the training's profile, lowest or most frequent first; a tick is its share "
        "in the training. A window with an alert has another colour, one that cannot be compared is pale.",
        charts.multiples(frame, row.window_size),
        frame.drop(columns="counted_in"),
        unit="Unit: share of rows",
        n=frame["n"].sum(),
        key="windows",
    )


def target(row: pd.Series, version: int, selected: pd.Series) -> None:
    """Draw how the outcome depends on the feature, in the window and in training."""
    which = {"model": row.model, "version": version, "feature": selected["feature"]}
    frame = page.ask(monitor.outcomes_by_bin, window=selected["window"], **which)
    window = fmt.window(selected["window"], row.window_size)
    if frame["n_training"].sum() == 0 and frame["n"].sum() == 0:
        page.show_notice(
            "No outcome was counted by value",
            "With more than two classes outcomes are not counted by value; nor did mlbridge 0.9 or older count them.",
        )
        return
    if frame["n"].sum() == 0:
        page.show_notice("No outcome is known yet", f"Only the training is shown: {window} has no known outcome.")
    of = f"share with outcome {row.positive}" if row.positive else "mean outcome"
    meaning = "Bars are 95 % intervals, as if rows were independent." if row.positive else ""
    page.figure(
        f"{selected['feature']} against the target",
        f"The {of} in each bin, in {window} and in the training period. Where the two differ, the outcome depends on "
        f"the feature in another way than it did. {meaning}",
        charts.outcomes(frame, window, of, bool(row.positive)),
        frame,
        unit=f"Unit: {of} · in training n = {fmt.count(frame['n_training'].sum())}",
        n=frame["n"].sum(),
        key="target",
    )


def associations(row: pd.Series, version: int, selected: pd.Series) -> None:
    """Draw how far features still go together with those that they went together with in training."""
    frame = page.ask(monitor.associations, model=row.model, version=version, window=selected["window"])
    if frame.empty:
        page.show_notice("No correlations", "In training no feature was correlated with others at all times.")
        return
    if len(frame) > MOST:
        st.caption(f"The {MOST} most changed of {len(frame)} features; the table has all.")
    window = fmt.window(selected["window"], row.window_size)
    page.figure(
        f"Correlations, {window}",
        "How strongly each feature goes together with the others that it did in training (the tip of a point names "
        "them); a ring is an alert.",
        charts.associations(frame.head(MOST), window),
        frame,
        unit="Unit: correlation, 0 to 1",
        n=frame["rows_used"].max(),
        key="associations",
    )
