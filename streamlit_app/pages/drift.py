"""Whether the world has moved: a map of features by windows, and what is behind each of its cells."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from mlbridge import monitor
from mlbridge.app import page, words
from mlbridge.app.charts import drift as charts

WORST = "worst"
FIRST = 30  # features that a map shows before it is asked for all
BASELINES = {"training": "the training", "previous": "the window before"}
ORDERS = ("importance x drift", "drift", "name")


def sorted_by(frame: pd.DataFrame, order: str) -> pd.DataFrame:
    """Number the features in the order asked for; the model's prediction and target stay on top."""
    if order == ORDERS[0]:
        return frame
    worst = frame.drop_duplicates("feature").set_index("feature")["worst_ratio"].fillna(0.0)
    key = (lambda name: (-worst[name], name)) if order == ORDERS[1] else (lambda name: name)
    names = sorted(frame["feature"].unique(), key=lambda name: (not name.startswith("ml_"), key(name)))
    return frame.assign(order=frame["feature"].map({name: number for number, name in enumerate(names)}))


def take_cell() -> None:
    """Turn a click on a cell into the feature and the window that are looked at."""
    cells = st.session_state["map"]["selection"].get("cell") or []
    if cells:
        st.session_state["feature"] = cells[0]["feature"]
        st.session_state["window"] = cells[0]["day"]


def the_map(row: Any, frame: pd.DataFrame, baseline: str) -> None:
    """Draw the map, the first features only when there are many."""
    features = frame.drop_duplicates("feature").sort_values("order")["feature"]
    shown = frame
    if len(features) > FIRST and not st.toggle(
        f"Show all {len(features)} features", key="all_features", bind="query-params"
    ):
        shown = frame[frame["feature"].isin(features[:FIRST])]
        st.caption(f"The first {FIRST} of {len(features)} features in the order chosen.")
    page.figure(
        "Drift map",
        f"How far each feature is from {BASELINES[baseline]}, as a multiple of its threshold: from 1 on it is more "
        "than usual and marked with a triangle; pale is a window that is not over yet, or has too few rows. A click on "
        "a cell shows what is behind it, as do feature and window beside the map.",
        charts.drift_map(shown, row.window_size),
        shown.drop(columns=["day", "order", "chosen"]),
        unit=f"Unit: value / threshold · the newest {monitor.LAST_WINDOWS} windows at most",
        n=shown.drop_duplicates(["feature", "window"]).groupby("feature")["rows_used"].sum().max(),
        key="map",
        on_select=take_cell,
    )


def pick_cell(frame: pd.DataFrame) -> pd.Series:
    """Let one cell be chosen, where the map is not clicked on; begins with the one that needs a look most."""
    start = frame.sort_values(["alert", "is_comparable", "weight", "ratio"], ascending=False, na_position="last").iloc[
        0
    ]
    names = list(frame.drop_duplicates("feature").sort_values("order")["feature"])
    with st.container(horizontal=True):
        feature = page.pick("Feature", names, "feature", index=names.index(start["feature"]))
        days = sorted(frame.loc[frame["feature"] == feature, "day"].unique(), reverse=True)
        day = page.pick("Window", days, "window", index=days.index(start["day"]) if start["day"] in days else 0)
    return frame[(frame["feature"] == feature) & (frame["day"] == day)].iloc[0]


def cell(row: Any, version: int, here: pd.Series, baseline: str) -> None:
    """Say what a cell says, and show the two distributions and the counts behind it."""
    st.markdown(verdict(here, baseline))
    window = words.window(here["window"], row.window_size)
    bins = page.ask(
        monitor.distribution,
        model=row.model, version=version, feature=here["feature"], window=here["window"], baseline=baseline,
    )  # fmt: skip
    page.figure(
        f"{here['feature']}: distribution",
        f"The share of rows in each bin of the training's profile, in this window and in {BASELINES[baseline]}.",
        charts.distribution(bins, window, BASELINES[baseline]),
        bins,
        unit=f"Unit: share of rows · baseline n = {words.count(bins['n_baseline'].sum())}",
        n=bins["n"].sum(),
        key="distribution",
    )


def metrics(row: Any, version: int, feature: str, baseline: str) -> None:
    """Draw every metric of the feature over time."""
    past = page.ask(monitor.drift_history, model=row.model, version=version, feature=feature, baseline=baseline)
    page.figure(
        f"{feature}: every metric over time",
        f"How far it was from {BASELINES[baseline]} in each window, with the threshold (dotted); a ring is an alert. "
        "Windows that are not over or have few rows may lie outside.",
        charts.drift_history(past, row.window_size),
        past,
        unit="Unit: the metric's own",
        n=past.drop_duplicates("window")["rows_used"].sum(),
        key="drift_history",
    )


def verdict(here: pd.Series, baseline: str) -> str:
    """Say in a sentence what the cell says."""
    metric, value, threshold = words.plain(here["metric"]), words.number(here["value"]), words.number(here["threshold"])
    end = "within what is usual"
    if here["alert"]:
        end = "**more than usual**"
    elif here["ratio"] > 1:
        end = "above it, but the window is not over yet or has too few rows to be compared with whole ones"
    return (
        f"**{words.plain(here['feature'])}** against {BASELINES[baseline]}: {metric} {value}, threshold {threshold} "
        f"(from {words.plain(here['threshold_from'])}), {end}; {words.count(here['rows_used'])} rows used, "
        f"{words.count(here['rows_unused'])} unused, {words.count(here['rows_baseline'])} in the baseline."
    )


def draw() -> None:
    """Draw the page."""
    with st.container(horizontal=True):
        model = page.pick_model(champions_only=True)
        versions = sorted({*page.ask(monitor.volumes, model=model.model)["version"], model.version}, reverse=True)
        numbers = [str(number) for number in versions]
        start_at = numbers.index(str(model.version)) if str(model.version) in numbers else 0
        chosen = int(page.pick("Version", numbers, "version", index=start_at))
        against = page.pick("Against", list(BASELINES), "baseline")
        chosen_metric = page.pick(
            "Metric", [WORST, *page.ask(monitor.drift_metrics, model=model.model, version=chosen)], "metric"
        )
        sort = page.pick("Sort by", ORDERS, "sort")
    drifted = page.ask(monitor.drift, model=model.model, version=chosen, baseline=against, metric=chosen_metric)
    if drifted.empty:
        page.nothing(
            "One window only" if against == "previous" else "Nothing to compare",
            f"There is no window that could be compared with {BASELINES[against]}.",
            "Compare with the training, or wait for the next window."
            if against == "previous"
            else "The first window appears with the first build that scores newer rows.",
        )
        return
    drifted = sorted_by(drifted.assign(day=drifted["window"].dt.strftime("%Y-%m-%d")), sort)
    left, right = st.columns([3, 2])
    with right:
        here = pick_cell(drifted)
        cell(model, chosen, here, against)
    with left:
        the_map(
            model, drifted.assign(chosen=(drifted[["feature", "day"]] == here[["feature", "day"]]).all(axis=1)), against
        )
    metrics(model, chosen, here["feature"], against)


page.show("Drift", draw)
