"""All models on one page, the one with the worst verdict first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import streamlit as st

from mlbridge import monitor
from mlbridge.app import fmt, page
from mlbridge.app.charts import performance as charts
from mlbridge.app.charts.sparkline import sparkline

MOST_ALERTS = 5
MOST_CARDS = 8  # models with a card of their own, unless all are requested
MOST_LINES = 15  # of the table that are seen at once
LINE = 35  # pixels
VERDICTS: dict[str, tuple[str, page.Colour, str, str]] = {
    "act": ("Act", "red", ":material/crisis_alert:", "\u25b2"),
    "look": ("Look", "orange", ":material/warning:", "\u25b2"),
    "cannot tell": ("Cannot tell", "gray", ":material/help:", "?"),
    "fine": ("Fine", "green", ":material/check_circle:", "\u2713"),
}


def metric_history(row: Any) -> pd.DataFrame:
    """Return the main metric of the version in use over time; no rows where none is in use."""
    frame: pd.DataFrame = page.ask(monitor.history, model=row.model)
    return frame.head(0) if pd.isna(row.version) else frame[frame["version"] == row.version]


def models_table(overview: pd.DataFrame) -> None:
    """List all models, a line each."""
    lines = [
        {
            "verdict": "{3} {0}".format(*VERDICTS[row.verdict]),
            "model": row.model,
            "why": row.reason,
            "metric": row.metric,
            "realized": row.realized,
            "estimated": row.estimated,
            "baseline": row.baseline,
            "threshold": row.threshold,
            "course": sparkline(row.course),
            "data until": fmt.day(row.newest_row_at),
            "alerts": row.alerts,
            "notes": row.notes,
        }
        for row in page.rows(overview)
    ]
    figures = {
        name: st.column_config.NumberColumn(name, format="%.4g", width=80)
        for name in ("realized", "estimated", "baseline", "threshold")
    }
    st.dataframe(
        pd.DataFrame(lines),
        hide_index=True,
        column_config={
            **figures,
            "why": st.column_config.TextColumn("why", width="large", help="Each card below has the whole sentence"),
            "course": st.column_config.ImageColumn("realized over time", width=165),
            "data until": st.column_config.TextColumn("data until", help="The newest row that was scored"),
            "alerts": st.column_config.NumberColumn("alerts", help="Alerts of severity act or look"),
            "notes": st.column_config.NumberColumn("notes", help="Alerts of severity note, which need no action"),
        },
        placeholder=fmt.NO_VALUE,
        height="content" if len(lines) <= MOST_LINES else (MOST_LINES + 1) * LINE,
        key="glance",
        alt="Every model with its verdict, a line each",
    )


def card(row: Any, size: str) -> None:
    """Draw one model."""
    label, colour, icon, _ = VERDICTS[row.verdict]
    in_use, built = pd.notna(row.version), row.last_build_state in ("success", None) or pd.isna(row.last_build_state)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"## {fmt.plain(row.model)}", width="content")
            st.badge(label, color=colour, icon=icon)
            st.space("stretch")
            blame = () if built else ("runs", "pipeline")
            links(
                row.model, *blame, *(("performance", "drift", "versions", "predictions") if in_use else ("versions",))
            )
        verdict(row)
        overdue(row)
        if not in_use:
            return
        pinned = ", pinned" if row.pinned else ""
        st.caption(
            f"Version {row.version}{pinned} · {fmt.plain(row.candidate)} · trained on what was known on "
            f"{fmt.day(row.trained_as_of)} ({fmt.age(row.age_days)}) · data until {fmt.day(row.newest_row_at)} · "
            f"last build {fmt.moment(row.last_build_at)} UTC: {text(row.last_build_state) or 'not recorded'}"
            f"  \nTraining: {text(row.last_decision) or 'no decision is recorded'}"
        )
        left, right = st.columns([4, 5], gap="medium")
        with left:
            figures(row, size)
            alerts(row, size)
            drifted(row)
            notes(row, size)
            muted(row)
        with right:
            metric_figure(row, size)


def text(value: object) -> str:
    """Write a text that may be NULL; an empty one if it is."""
    return fmt.plain(value) if isinstance(value, str) else ""


def verdict(row: Any) -> None:
    """Say why the verdict is what it is, since when, and what to do."""
    since = "" if pd.isna(row.since) else f" Since {fmt.day(row.since)}."
    st.markdown(f"**{fmt.plain(row.reason)}**{since}" + (f"  \n{text(row.action)}" if text(row.action) else ""))


def overdue(row: Any) -> None:
    """Say that a build is overdue, by the clock of whoever looks: no build can say it."""
    expected = row.next_build_expected_by
    if pd.notna(expected) and expected < datetime.now(UTC).replace(tzinfo=None):
        st.markdown(
            f":orange[:material/history:] No build since {fmt.moment(row.last_build_at)} UTC; one was expected "
            f"by {fmt.moment(expected)} UTC."
        )


def figures(row: Any, size: str) -> None:
    """Write the main figures in a row that wraps on a narrow screen."""
    line = st.container(horizontal=True)
    for kind in ("realized", "estimated"):
        value, n, window = (row[f"{kind}{end}"] for end in ("", "_n", "_window"))
        if pd.isna(value):
            what = "No outcome is known yet" if kind == "realized" else "No estimate: no scored row, or no calibration"
            line.metric(kind.title(), fmt.NO_VALUE, help=what, width=180)
            continue
        interval = fmt.interval(value, row[f"{kind}_low"], row[f"{kind}_high"])
        line.metric(
            f"{kind.title()}, {fmt.window(window, size)}",
            fmt.number(value),
            delta=None if pd.isna(row.reference) else f"{fmt.change(value - row.reference)} against training",
            delta_color="normal" if row.greater_is_better else "inverse",
            help=f"{row.metric} {interval}, 95 % interval, n = {fmt.count(n)}; threshold {fmt.number(row.threshold)}",
            width=180,
        )


def drifted(row: Any) -> None:
    """List the features that have moved the most, whether that is unusual or not."""
    lines = [
        f"{fmt.plain(feature)}: {fmt.plain(name)} {fmt.number(value)}, usual up to {fmt.number(threshold)}"
        for feature, name, value, threshold in row.drifted
    ]
    listing("Largest drift from training", lines or ["Nothing measured yet: no window is complete."])


def alerts(row: Any, size: str) -> None:
    """List the alerts that need action, with reason, size, start and what to do; all but the first are folded away."""
    if not row.alert_list:
        return
    what = f"{fmt.count(row.alerts)} alert{'s' if row.alerts > 1 else ''}"
    with st.container(gap="xxsmall"):
        st.caption(f":orange[:material/warning:] {what}")
        for each in row.alert_list[:MOST_ALERTS]:
            alert(row.model, each, size)
    if row.alert_list[MOST_ALERTS:]:
        with st.expander(f"The other {len(row.alert_list) - MOST_ALERTS} of {what}"):
            for each in row.alert_list[MOST_ALERTS:]:
                alert(row.model, each, size)


def notes(row: Any, size: str) -> None:
    """List the notes (alerts that need no action), folded away."""
    if row.note_list:
        with st.expander(f"{fmt.count(row.notes)} note{'s' if row.notes > 1 else ''}: no action needed"):
            for each in row.note_list:
                alert(row.model, each, size)


def alert(model: str, found: monitor.Alert, size: str) -> None:
    """Write an alert in a line, with a link to the figure that raised it."""
    sentence = f"{fmt.plain(found.message)}, since {fmt.window(found.since, size)}"
    if found.severity != monitor.NOTE:
        sentence = f"**{found.severity.title()}**: {sentence}. {fmt.plain(found.action)}"
    with st.container(horizontal=True, gap="small"):
        st.markdown(sentence)
        name, choices = figure_of(found)
        st.page_link(f"pages/{name}.py", label="Show", query_params={"model": model, **choices}, width="content")


def figure_of(found: monitor.Alert) -> tuple[str, dict[str, str]]:
    """Return the page that shows the figure behind an alert, and what is chosen there."""
    version = str(found.version)
    if found.feature is not None:
        day = f"{found.window:%Y-%m-%d}"
        return "drift", {
            "version": version, "feature": found.feature, "window": day, "baseline": found.baseline or "training",
        }  # fmt: skip
    return "performance", {"version": version, "slice": found.slice or "all"}


def muted(row: Any) -> None:
    """Say how many checks cannot alert, and why."""
    if row.muted:
        reasons = "; ".join(f"{fmt.plain(reason)}: {fmt.count(n)}" for reason, n in row.muted)
        of = f"{fmt.count(sum(n for _, n in row.muted))} of {fmt.count(row.checks)}"
        with st.expander(f"{of} checks of drift and performance cannot alert in the newest window"):
            st.markdown(reasons)


def listing(title: str, lines: list[str]) -> None:
    """Write a few short lines below their title."""
    with st.container(gap="xxsmall"):
        st.caption(title)
        st.markdown("  \n".join(lines))


def metric_figure(row: Any, size: str) -> None:
    """Draw the main metric over time."""
    frame = metric_history(row)
    if frame.empty:
        page.show_notice(
            "Nothing measured yet",
            "No row has been scored after the training period.",
            "The first window appears with the first build that scores newer rows.",
        )
        return
    better = "higher is better" if row.greater_is_better else "lower is better"
    page.figure(
        f"{row.metric} per {size}",
        "The metric of the version in use: realized where outcomes are known, else estimated. Bars are 95 % intervals, "
        "a ring is an alert, the dotted line is the threshold. A window that has not ended or has few rows is pale.",
        charts.history(frame, row.metric, size, height=250),
        frame,
        unit=f"Unit: {row.metric}, {better}",
        n=page.measured(frame),
        key=f"history_{row.model}",
        border=False,
    )


def links(model: str, *names: str) -> None:
    """Show links to the model's other pages."""
    line = st.container(horizontal=True, gap="medium", width="content")
    for name in names:
        line.page_link(f"pages/{name}.py", label=name.title(), query_params={"model": model})


def summary(verdicts: pd.Series[str]) -> str:
    """Return a short sentence on the verdicts on all models."""
    counts = [(name, int((verdicts == name).sum())) for name in VERDICTS]
    return ", ".join(f"{fmt.count(n)} {VERDICTS[name][0].lower()}" for name, n in counts if n)


def draw() -> None:
    """Draw the page."""
    overview = page.ask(monitor.overview)
    if overview.empty:
        raise page.NothingToShow(*page.NO_MODEL)
    st.markdown(f"{len(overview)} model{'s' if len(overview) > 1 else ''}; **{summary(overview['verdict'])}**")
    models_table(overview)
    sizes = page.ask(monitor.models).set_index("model")["window_size"]
    many = len(overview) > MOST_CARDS and not st.toggle(
        f"Show all {len(overview)} models in full", key="all_models", bind="query-params"
    )
    if many:
        st.caption(f"The first {MOST_CARDS} in full, worst first; the table above has all.")
    for _, each in (overview.head(MOST_CARDS) if many else overview).iterrows():
        card(each, sizes.get(each["model"]) or "month")


page.show("Overview", draw)
