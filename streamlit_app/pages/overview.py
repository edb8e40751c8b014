"""Every model on one page, the one that needs its owner most on top."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from mlbridge import monitor
from mlbridge.app import page, words
from mlbridge.app.charts import performance as charts

MOST_ALERTS = 6
STATES = {
    "failed": ("Last build failed", "red", ":material/error:"),
    "alert": ("Needs a look", "orange", ":material/warning:"),
    "no_version": ("Never trained", "gray", ":material/hourglass_empty:"),
    "no_champion": ("No champion", "gray", ":material/block:"),
    "unlabelled": ("No outcomes yet", "blue", ":material/pending:"),
    "ok": ("All is well", "green", ":material/check_circle:"),
}


def card(row: Any, size: str) -> None:
    """Draw one model."""
    word, colour, icon = STATES[row.state]
    with st.container(border=True):
        head = st.container(horizontal=True, vertical_alignment="center")
        head.markdown(f"### {words.plain(row.model)}", width="content")
        head.badge(word, color=colour, icon=icon)
        if pd.isna(row.version):
            st.markdown(words.plain(row.decision) if isinstance(row.decision, str) else "It has never been trained.")
            st.caption("Nothing is scored and nothing watched until a version is promoted.")
            links(row.model, "versions")
            return
        pinned = ", pinned" if row.pinned else ""
        st.caption(
            f"Version {row.version}{pinned} · {words.plain(row.candidate)} · trained on what was known on "
            f"{words.day(row.trained_as_of)} ({words.age(row.age_days)}) · last build "
            f"{words.moment(row.last_build_at)} UTC: {words.plain(row.last_build_status)}"
        )
        figures(row, size)
        watched(row, size)
        links(row.model, "performance", "drift", "versions", "predictions")


def figures(row: Any, size: str) -> None:
    """Draw the main figures in a row that wraps on a narrow screen."""
    better = "higher is better" if row.greater_is_better else "lower is better"
    st.markdown(f"**{words.plain(row.metric)}**, {better}")
    left, right = st.columns([3, 2])
    line = left.container(horizontal=True, gap="medium")
    for kind in ("realized", "estimated"):
        value, n, window = (row[f"{kind}{end}"] for end in ("", "_n", "_window"))
        if pd.isna(value):
            what = "No outcome is known yet" if kind == "realized" else "This version keeps no calibration"
            line.metric(kind.title(), words.NOTHING, help=what, width=165)
            continue
        said = words.interval(value, row[f"{kind}_low"], row[f"{kind}_high"])
        line.metric(
            f"{kind.title()}, {words.window(window, size)}",
            words.number(value),
            delta=None if pd.isna(row.reference) else f"{value - row.reference:+.3g} against training",
            delta_color="normal" if row.greater_is_better else "inverse",
            help=f"{said}, 95 % interval, n = {words.count(n)}; threshold {words.number(row.threshold)}",
            width=165,
        )
    line.metric("Alerts now", words.count(row.alerts), help="Beyond the threshold in its newest window", width=110)
    with right:
        st.caption("Most drifted features")
        drifted = [
            f"{words.plain(feature)}: {words.plain(name)} {value:.2g} (usual up to {threshold:.2g})"
            for feature, name, value, threshold in row.drifted
        ]
        st.markdown("  \n".join(drifted) if drifted else "None measured yet: no window is complete.")


def watched(row: Any, size: str) -> None:
    """Draw the main metric over time, and what the alerts say."""
    if row.alert_list:
        alerts = [
            f"{words.plain(what)} (since {words.window(since, size)})"
            for what, since, _ in row.alert_list[:MOST_ALERTS]
        ]
        more = len(row.alert_list) - len(alerts)
        st.markdown(f":orange[:material/warning:] {'; '.join(alerts)}" + (f"; and {more} more" if more else ""))
    frame = page.ask(monitor.history, model=row.model)
    frame = frame[frame["version"] == row.version]
    if frame.empty:
        page.nothing(
            "Nothing measured yet",
            "No row has been scored after the training period.",
            "The first window appears with the first build that scores newer rows.",
        )
        return
    page.figure(
        f"{row.metric} per {size}",
        "How well the version in use does: measured where outcomes are known, estimated where not; bars are 95 % "
        "intervals, a ring is an alert, the dotted line the threshold.",
        charts.history(frame, row.metric, size, height=190),
        frame,
        unit=f"Unit: {row.metric}",
        n=frame.loc[frame["kind"] == frame["kind"].iloc[-1], "n"].sum(),
        key=f"history_{row.model}",
    )


def links(model: str, *names: str) -> None:
    """Lead to the model's other pages."""
    line = st.container(horizontal=True, gap="medium")
    for name in names:
        line.page_link(f"pages/{name}.py", label=name.title(), query_params={"model": model})


def draw() -> None:
    """Draw the page."""
    overview = page.ask(monitor.overview)
    if overview.empty:
        page.nothing(
            "No model is declared",
            "The published build knows no ML model.",
            "Name yours in dbt_project.yml below `vars: mlbridge_models`, and run dbt build.",
        )
        return
    bad = int((~overview["state"].isin(["ok", "unlabelled"])).sum())
    st.markdown(
        f"{len(overview)} model{'s' if len(overview) > 1 else ''}; "
        + (f"**{bad} need{'s' if bad == 1 else ''} a look**, worst first." if bad else "**all is well.**")
    )
    sizes = page.ask(monitor.models).set_index("model")["window_size"]
    for _, each in overview.iterrows():
        card(each, sizes.get(each["model"]) or "month")


page.show("Overview", draw)
