"""Every model on one page, the one that needs its owner most on top."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from mlbridge import monitor
from mlbridge.app import page, words
from mlbridge.app.charts import performance as charts

MOST_ALERTS = 5
STATES = {
    "failed": ("Last build failed", "red", ":material/error:", "\u2717"),
    "act": ("Performance lost", "red", ":material/crisis_alert:", "\u25b2"),
    "alert": ("Needs a look", "orange", ":material/warning:", "\u25b2"),
    "no_version": ("Never trained", "gray", ":material/hourglass_empty:", "\u25cb"),
    "no_champion": ("No champion", "gray", ":material/block:", "\u25cb"),
    "unlabelled": ("No outcomes yet", "blue", ":material/pending:", "\u2026"),
    "ok": ("All is well", "green", ":material/check_circle:", "\u2713"),
}


def course(row: Any) -> pd.DataFrame:
    """Give the main metric of the version in use over time; no rows where none is in use."""
    frame = page.ask(monitor.history, model=row.model)
    return frame.head(0) if pd.isna(row.version) else frame[frame["version"] == row.version]


def glance(overview: pd.DataFrame) -> None:
    """List all models, a line each."""
    lines = [
        {
            "state": "{3} {0}".format(*STATES[row.state]),
            "model": row.model,
            "version": None if pd.isna(row.version) else f"{row.version}{', pinned' if row.pinned else ''}",
            "trained": words.age(row.age_days),
            "metric": row.metric,
            "realized": row.realized,
            "estimated": row.estimated,
            "threshold": row.threshold,
            "course": [each.value for each in course(row).itertuples() if each.kind == "realized"],
            "alerts": row.alerts,
            "notes": row.notes,
        }
        for row in overview.itertuples()
    ]
    figures = {
        name: st.column_config.NumberColumn(name, format="%.4g", width=80)
        for name in ("realized", "estimated", "threshold")
    }
    st.dataframe(
        pd.DataFrame(lines),
        hide_index=True,
        column_config={
            **figures,
            "trained": st.column_config.TextColumn("trained", help="Age of what the version in use was trained on"),
            "course": st.column_config.LineChartColumn("realized over time", width=165),
            "alerts": st.column_config.NumberColumn("alerts", help="What needs a person: to act on, or to look at"),
            "notes": st.column_config.NumberColumn("notes", help="What else is beyond its threshold"),
        },
        placeholder=words.NOTHING,
        height="content",
        key="glance",
        alt="Every model with its state, a line each",
    )


def card(row: Any, size: str) -> None:
    """Draw one model."""
    word, colour, icon, _ = STATES[row.state]
    in_use = pd.notna(row.version)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"### {words.plain(row.model)}", width="content")
            st.badge(word, color=colour, icon=icon)
            st.space("stretch")
            blame = ("runs", "pipeline") if row.state == "failed" else ()
            links(
                row.model, *blame, *(("performance", "drift", "versions", "predictions") if in_use else ("versions",))
            )
        if row.state == "failed":
            troubled(row)
        if not in_use:
            unused(row)
            return
        if row.withheld:
            st.markdown(f":orange[:material/front_hand:] Its newest version is withheld. {words.plain(row.decision)}")
        pinned = ", pinned" if row.pinned else ""
        ended = row.last_build_status if isinstance(row.last_build_status, str) else "not recorded"
        st.caption(
            f"Version {row.version}{pinned} · {words.plain(row.candidate)} · trained on what was known on "
            f"{words.day(row.trained_as_of)} ({words.age(row.age_days)}) · last build "
            f"{words.moment(row.last_build_at)} UTC: {words.plain(ended)}"
        )
        if row.is_stale:
            st.markdown(
                f":orange[:material/history:] Newest rows: {words.day(row.newest_at)}. Nothing newer came for more "
                f"than two windows of a {size}: what stands here is about then."
            )
        left, right = st.columns([4, 5], gap="medium")
        with left:
            figures(row, size)
            alerts(row, size)
            drifted(row)
            notes(row, size)
            muted(row)
        with right:
            watched(row, size)


def troubled(row: Any) -> None:
    """Name what the last build could not do."""
    named = [f"{words.plain(node)} {what}" for node, what in row.troubled[:MOST_ALERTS]]
    more = len(row.troubled) - len(named)
    st.markdown(f":red[:material/error:] {'; '.join(named)}" + (f"; and {more} more" if more else ""))


def unused(row: Any) -> None:
    """Say why no version is in use, and what to do."""
    if pd.isna(row.metric):
        st.markdown(words.plain(row.decision) if isinstance(row.decision, str) else "It has never been trained.")
        st.caption(f"Run dbt build --select +{words.plain(row.model)}_predictions+")
        return
    st.markdown(words.plain(row.decision) if isinstance(row.decision, str) else "No decision is recorded.")
    st.caption("Nothing is scored and nothing watched until a version is promoted.")


def figures(row: Any, size: str) -> None:
    """Write the main figures in a row that wraps on a narrow screen."""
    line = st.container(horizontal=True)
    for kind in ("realized", "estimated"):
        value, n, window = (row[f"{kind}{end}"] for end in ("", "_n", "_window"))
        if pd.isna(value):
            what = (
                "No outcome is known yet" if kind == "realized" else "Nothing is estimated: no row, or no calibration"
            )
            line.metric(kind.title(), words.NOTHING, help=what, width=180)
            continue
        said = words.interval(value, row[f"{kind}_low"], row[f"{kind}_high"])
        line.metric(
            f"{kind.title()}, {words.window(window, size)}",
            words.number(value),
            delta=None if pd.isna(row.reference) else f"{words.change(value - row.reference)} against training",
            delta_color="normal" if row.greater_is_better else "inverse",
            help=f"{row.metric} {said}, 95 % interval, n = {words.count(n)}; threshold {words.number(row.threshold)}",
            width=180,
        )


def drifted(row: Any) -> None:
    """List the features that have moved the most, whether that is unusual or not."""
    lines = [
        f"{words.plain(feature)}: {words.plain(name)} {words.number(value)}, usual up to {words.number(threshold)}"
        for feature, name, value, threshold in row.drifted
    ]
    listing("Most drifted from the training", lines or ["Nothing measured yet: no window is complete."])


def alerts(row: Any, size: str) -> None:
    """Say of what needs a person why, by how much, since when, and what to do; of many the first ones."""
    if not row.alert_list:
        return
    what = f"{words.count(row.alerts)} alert{'s' if row.alerts > 1 else ''}"
    lines = [told(*each, size) for each in row.alert_list]
    listing(f":orange[:material/warning:] {what}", lines[:MOST_ALERTS])
    if lines[MOST_ALERTS:]:
        with st.expander(f"The other {len(lines) - MOST_ALERTS} of {what}"):
            st.markdown("  \n".join(lines[MOST_ALERTS:]))


def notes(row: Any, size: str) -> None:
    """Fold away what is beyond its threshold and needs no person."""
    if row.note_list:
        with st.expander(f"{words.count(row.notes)} note{'s' if row.notes > 1 else ''}: what else is unusual"):
            st.markdown("  \n".join(told(*each, size) for each in row.note_list))


def told(_what: str, since: Any, message: str, severity: str, action: str, size: str) -> str:
    """Write an alert in a line."""
    said = f"{words.plain(message)}, since {words.window(since, size)}"
    return said if severity == monitor.NOTE else f"**{severity.title()}**: {said}. {words.plain(action)}"


def muted(row: Any) -> None:
    """Say how many checks cannot alert, and why."""
    if row.muted:
        reasons = "; ".join(f"{words.plain(reason)}: {words.count(n)}" for reason, n in row.muted)
        of = f"{words.count(sum(n for _, n in row.muted))} of {words.count(row.checks)}"
        with st.expander(f"{of} checks of drift and performance cannot alert in the newest window"):
            st.markdown(reasons)


def listing(title: str, lines: list[str]) -> None:
    """Write a few short lines below their title."""
    with st.container(gap="xxsmall"):
        st.caption(title)
        st.markdown("  \n".join(lines))


def watched(row: Any, size: str) -> None:
    """Draw the main metric over time."""
    frame = course(row)
    if frame.empty:
        page.nothing(
            "Nothing measured yet",
            "No row has been scored after the training period.",
            "The first window appears with the first build that scores newer rows.",
        )
        return
    better = "higher is better" if row.greater_is_better else "lower is better"
    page.figure(
        f"{row.metric} per {size}",
        "How well the version in use does: measured where outcomes are known, estimated where not; bars are 95 % "
        "intervals, a ring is an alert, the dotted line the threshold.",
        charts.history(frame, row.metric, size, height=250),
        frame,
        unit=f"Unit: {row.metric}, {better}",
        n=page.measured(frame),
        key=f"history_{row.model}",
        border=False,
    )


def links(model: str, *names: str) -> None:
    """Lead to the model's other pages."""
    line = st.container(horizontal=True, gap="medium", width="content")
    for name in names:
        line.page_link(f"pages/{name}.py", label=name.title(), query_params={"model": model})


def summary(states: pd.Series[str]) -> str:
    """Say in a few words how all models are."""
    bad, waiting = int((~states.isin(["ok", "unlabelled"])).sum()), int((states == "unlabelled").sum())
    if bad:
        return f"{bad} need{'s' if bad == 1 else ''} a look, worst first."
    return f"no alert, but {waiting} without outcomes yet." if waiting else "all is well."


def draw() -> None:
    """Draw the page."""
    overview = page.ask(monitor.overview)
    if overview.empty:
        raise page.Wanting(*page.NO_MODEL)
    st.markdown(f"{len(overview)} model{'s' if len(overview) > 1 else ''}; **{summary(overview['state'])}**")
    glance(overview)
    sizes = page.ask(monitor.models).set_index("model")["window_size"]
    for _, each in overview.iterrows():
        card(each, sizes.get(each["model"]) or "month")


page.show("Overview", draw)
