"""Drift: a map of features by windows, with the distributions and metrics behind each cell."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from mlbridge import monitor
from mlbridge.app import features, fmt, page
from mlbridge.app.charts import drift as charts
from mlbridge.app.words import WORDS, of_metrics

WORST = "worst"
PAGE = 30  # features on a page of the map: one screen
BASELINES = {"training": "the training", "previous": "the window before"}
ORDERS = ("importance x drift", "drift", "name")


def sorted_by(frame: pd.DataFrame, order: str) -> pd.DataFrame:
    """Number the features in the selected order; the model's prediction and target stay on top."""
    if order == ORDERS[0]:
        return frame
    worst = frame.drop_duplicates("feature").set_index("feature")["worst_ratio"].fillna(0.0)
    key = (lambda name: (-worst[name], name)) if order == ORDERS[1] else (lambda name: name)
    names = sorted(frame["feature"].unique(), key=lambda name: (not name.startswith("ml_"), key(name)))
    return frame.assign(order=frame["feature"].map({name: number for number, name in enumerate(names)}))


def take_cell() -> None:
    """Select the feature and the window of the cell that was clicked on."""
    cells = st.session_state["map"]["selection"].get("cell") or []
    if cells:
        st.session_state["feature"] = cells[0]["feature"]
        st.session_state["window"] = cells[0]["day"]


def one_page(frame: pd.DataFrame) -> pd.DataFrame:
    """Show a selection box for a page of the features; by default the one with the selected cell."""
    features = list(frame.drop_duplicates("feature").sort_values("order")["feature"])
    if len(features) <= PAGE:
        return frame
    pages = -(-len(features) // PAGE)
    usual = features.index(frame.loc[frame["chosen"], "feature"].iloc[0]) // PAGE + 1
    numbers = [str(number) for number in range(1, pages + 1)]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first = (int(page.pick("Page of the map", numbers, "page", str(usual))) - 1) * PAGE
        last = min(first + PAGE, len(features))
        st.caption(f"Features {first + 1} to {last} of {len(features)} in the order chosen.")
    return frame[frame["feature"].isin(features[first:last])]


def drift_map(row: pd.Series, frame: pd.DataFrame, baseline: str) -> None:
    """Draw the map, a page of it when there are many features."""
    shown = one_page(frame)
    page.figure(
        "Drift map",
        f"The drift of each feature from {BASELINES[baseline]}, as a multiple of its threshold. A triangle is an "
        "alert. A pale cell is a window that has not ended, or has too few rows. Click a cell, or choose feature and "
        "window beside the map, to see the distributions behind it.",
        charts.drift_map(shown, row.window_size),
        shown.drop(columns=["day", "order", "chosen"]),
        unit=f"Unit: value / threshold · the newest {monitor.LAST_WINDOWS} windows at most",
        n=shown.drop_duplicates(["feature", "window"]).groupby("feature")["rows_used"].sum().max(),
        key="map",
        on_select=take_cell,
    )


def pick_cell(frame: pd.DataFrame) -> pd.Series:
    """Show selection boxes for a cell of the map; by default the one with an alert and the largest weight."""
    start = frame.sort_values(["alert", "is_comparable", "weight", "ratio"], ascending=False, na_position="last").iloc[
        0
    ]
    names = list(frame.drop_duplicates("feature").sort_values("order")["feature"])
    with st.container(horizontal=True):
        feature = page.pick("Feature", names, "feature", default=start["feature"])
        days = sorted(frame.loc[frame["feature"] == feature, "day"].unique(), reverse=True)
        day = page.pick("Window", days, "window", default=start["day"])
    return frame[(frame["feature"] == feature) & (frame["day"] == day)].iloc[0]


def cell(row: pd.Series, version: int, selected: pd.Series, baseline: str) -> None:
    """Describe a cell of the map, and draw the two distributions behind it."""
    st.markdown(verdict(selected, baseline))
    window = fmt.window(selected["window"], row.window_size)
    bins = page.ask(
        monitor.distribution,
        model=row.model, version=version, feature=selected["feature"], window=selected["window"], baseline=baseline,
    )  # fmt: skip
    page.figure(
        f"{selected['feature']}: distribution",
        f"The share of rows in each bin of the training's profile, in this window and in {BASELINES[baseline]}.",
        charts.distribution(bins, window, BASELINES[baseline]),
        bins,
        unit=f"Unit: share of rows · baseline n = {fmt.count(bins['n_baseline'].sum())}",
        n=bins["n"].sum(),
        key="distribution",
    )


def verdict(selected: pd.Series, baseline: str) -> str:
    """Return a sentence on the metric, threshold and rows of a cell."""
    metric, value, threshold = (
        fmt.plain(selected["metric"]),
        fmt.number(selected["value"]),
        fmt.number(selected["threshold"]),
    )
    end = "within what is usual"
    if selected["alert"]:
        end = "**more than usual**"
    elif selected["ratio"] > 1:
        end = "above the threshold, but no alert: the window has not ended, or has too few rows"
    return (
        f"**{fmt.plain(selected['feature'])}** against {BASELINES[baseline]}: {metric} {value}, threshold {threshold} "
        f"(from {fmt.plain(selected['threshold_from'])}), {end}; {fmt.count(selected['rows_used'])} rows used, "
        f"{fmt.count(selected['rows_unused'])} unused, {fmt.count(selected['rows_baseline'])} in the baseline."
    )


def draw() -> None:
    """Draw the page."""
    with st.container(horizontal=True):
        model = page.pick_model(champions_only=True)
        versions = sorted({*page.ask(monitor.volumes, model=model.model)["version"], model.version}, reverse=True)
        numbers = [str(number) for number in versions]
        chosen = int(page.pick("Version", numbers, "version", str(model.version), WORDS["version"]))
        against = page.pick("Against", list(BASELINES), "baseline", help=WORDS["baseline of drift"])
        names = page.ask(monitor.drift_metrics, model=model.model, version=chosen)
        chosen_metric = page.pick("Metric", [WORST, *names], "metric", help=of_metrics(names))
        sort = page.pick("Sort by", ORDERS, "sort")
    drifted = page.ask(monitor.drift, model=model.model, version=chosen, baseline=against, metric=chosen_metric)
    if drifted.empty:
        page.show_notice(
            "One window only" if against == "previous" else "Nothing to compare",
            f"There is no window that can be compared with {BASELINES[against]}.",
            "Compare with the training, or wait for the next window."
            if against == "previous"
            else "The first window appears with the first build that scores newer rows.",
        )
        return
    drifted = sorted_by(drifted.assign(day=drifted["window"].dt.strftime("%Y-%m-%d")), sort)
    left, right = st.columns([3, 2])
    with right:
        selected = pick_cell(drifted)
        cell(model, chosen, selected, against)
    with left:
        drift_map(
            model,
            drifted.assign(chosen=(drifted[["feature", "day"]] == selected[["feature", "day"]]).all(axis=1)),
            against,
        )
    features.more(model, chosen, selected, against, BASELINES[against])


page.show("Drift", draw)
