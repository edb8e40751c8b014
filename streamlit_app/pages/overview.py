"""All models on one page, the one with the worst verdict first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from mlbridge import monitor
from mlbridge.app import fmt, page
from mlbridge.app.charts import performance as charts
from mlbridge.app.charts.sparkline import sparkline
from mlbridge.app.words import WORDS
from mlbridge.errors import few

MOST = 8  # incidents, alerts of one, and models with a card of their own, that are shown at once
MOST_NAMES = 5  # models of an incident in its heading
MOST_LINES = 15  # of the table that are seen at once
LINE = 35  # pixels
VERDICTS: dict[str, tuple[str, page.Colour, str, str]] = {
    "act": ("Act", "red", ":material/crisis_alert:", "\u25b2"),
    "look": ("Look", "orange", ":material/warning:", "\u25b2"),
    "cannot tell": ("Cannot tell", "gray", ":material/help:", "?"),
    "fine": ("Fine", "green", ":material/check_circle:", "\u2713"),
}
SEVERITIES: dict[str, tuple[str, page.Colour, str]] = {
    **{name: VERDICTS[name][:3] for name in ("act", "look")},
    monitor.NOTE: ("Note", "gray", ":material/info:"),
}
# Where one finds out about an incident that no alert leads to.
PLACES = {"build": ("runs", "pipeline"), "rows": ("pipeline", "predictions"), "version": ("versions",)}
COURSE = f"The newest {monitor.COURSE} windows at most that can be compared"
LAST_BUILD = "How it ended; or that one is overdue: twice the longest time between the last ten builds has passed."


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
            "last build": last_build(row),
            "alerts": row.alerts_act + row.alerts_look,
            "notes": row.alerts_note,
        }
        for row in page.rows(overview)
    ]
    figures = {
        name: st.column_config.NumberColumn(name, format="%.4g", width=80, help=WORDS[name])
        for name in ("realized", "estimated", "baseline", "threshold")
    }
    st.dataframe(
        pd.DataFrame(lines),
        hide_index=True,
        column_config={
            **figures,
            "verdict": st.column_config.TextColumn("verdict", help=WORDS["verdict"]),
            "why": st.column_config.TextColumn("why", width="medium", help="Each card below has the whole sentence"),
            "course": st.column_config.ImageColumn("realized over time", width=165, help=COURSE),
            "data until": st.column_config.TextColumn("data until", help="The newest row that was scored"),
            "last build": st.column_config.TextColumn("last build", help=LAST_BUILD),
            "alerts": st.column_config.NumberColumn("alerts", help=f"Those of severity act or look. {WORDS['alert']}"),
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
            drifted(row)
            muted(row)
        with right:
            metric_figure(row, size)


def text(value: object) -> str:
    """Write a text that may be NULL; an empty one if it is."""
    return fmt.plain(value) if isinstance(value, str) else ""


def verdict(row: Any) -> None:
    """Say why the verdict is what it is, since when, and what to do; a long reason is whole in its help."""
    since = "" if pd.isna(row.since) else f" Since {fmt.day(row.since)}."
    opening = fmt.opening(row.reason)
    st.markdown(
        f"**{fmt.plain(opening)}**{since}" + (f"  \n{text(row.action)}" if text(row.action) else ""),
        help=None if opening == row.reason else fmt.plain(row.reason),
    )


def is_overdue(row: Any) -> bool:
    """Return whether a build is overdue, by the clock of whoever looks: no build can say it."""
    expected = row.next_build_expected_by
    return bool(pd.notna(expected) and expected < datetime.now(UTC).replace(tzinfo=None))


def last_build(row: Any) -> str:
    """Say in a word or two how the last build ended, or that the next one is overdue."""
    if pd.isna(row.last_build_at):
        return "none yet"
    ended = {"error": "✗ failed", "skipped": "» skipped"}.get(str(row.last_build_state))
    return ended or (f"! overdue since {fmt.day(row.next_build_expected_by)}" if is_overdue(row) else "✓")


def overdue(overview: pd.DataFrame) -> None:
    """Say in one line which models wait for a build, and what that means."""
    late = [row for row in page.rows(overview) if is_overdue(row)]
    if not late:
        return
    names = ", ".join(fmt.plain(row.model) for row in late)
    last, expected = max(row.last_build_at for row in late), min(row.next_build_expected_by for row in late)
    with st.container(border=True, gap="xsmall"):
        line = st.container(horizontal=True, vertical_alignment="center", gap="small")
        line.badge("Overdue", color="orange", icon=":material/history:")
        line.markdown(f"**{names}**", width="content")
        st.markdown(
            f"No build since {fmt.moment(last)} UTC; one was expected by {fmt.moment(expected)} UTC. All figures are "
            "of that build.  \nLook where builds are run: one that could not open the warehouse leaves no trace in it. "
            "`mlbridge doctor` says who holds it."
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
            delta=against(row, value, kind),
            delta_color="normal" if row.greater_is_better else "inverse",
            help=f"{row.metric} {interval}, 95 % interval, n = {fmt.count(n)}; threshold {fmt.number(row.threshold)}, "
            f"usually {fmt.number(row.reference)}",
            width=180,
        )


def against(row: Any, value: float, kind: str) -> str | None:
    """Compare a figure with the value without skill on the same rows, which moves with the base rate as it does."""
    if pd.isna(row.baseline) or row.kind != kind:
        return None
    return f"{fmt.change(value - row.baseline)} from naive {fmt.number(row.baseline)}"


def drifted(row: Any) -> None:
    """List the features that have moved the most, whether that is unusual or not."""
    lines = [
        f"{fmt.plain(feature)}: {fmt.plain(name)} {fmt.number(value)}, usual up to {fmt.number(threshold)}"
        for feature, name, value, threshold in row.drifted
    ]
    listing("Largest drift from training", lines or ["Nothing measured yet: no window is complete."])


def incidents(sizes: dict[str, str]) -> None:
    """List what is wrong, a line for each cause, worst first; what needs no action is folded away."""
    found = list(page.rows(page.ask(monitor.incidents)))
    urgent = [each for each in found if each.severity != monitor.NOTE]
    if not urgent:
        st.markdown(":green[:material/check_circle:] Nothing is known to be wrong.")
    many = len(urgent) > MOST and not page.toggle(f"Show all {len(urgent)} incidents", "all_incidents")
    for each in urgent[:MOST] if many else urgent:
        incident(each, sizes)
    notes = found[len(urgent) :]
    if notes and page.toggle(f"Show {counted(len(notes), 'note')}: no action needed", "notes"):
        for each in notes:
            incident(each, sizes)


def incident(found: Any, sizes: dict[str, str]) -> None:
    """Show an incident: models, since when, what is wrong, what to do and where, and folded the alerts behind it."""
    label, colour, icon = SEVERITIES[found.severity]
    with st.container(border=True, gap="xsmall"):
        line = st.container(horizontal=True, vertical_alignment="center", gap="small")
        line.badge(label, color=colour, icon=icon)
        line.markdown(f"**{fmt.plain(few(found.models, MOST_NAMES))}**", width="content")
        if pd.notna(found.since):
            line.caption(f"since {fmt.day(found.since)}", width="content")
        line.space("stretch")
        for name in PLACES.get(found.about, ()):
            line.page_link(f"pages/{name}.py", label=name.title(), query_params={"model": found.models[0]})
        if found.alerts:
            show_figure(found.alerts[0], line)
        opening = fmt.opening(found.message)
        st.markdown(f"{fmt.plain(opening)}  \n{fmt.plain(found.action)}")
        if found.alerts:
            behind = st.expander(counted(len(found.alerts), "alert"), key=f"behind {found.incident}", on_change="rerun")
            if behind.open:  # what is folded is not sent, so the page loads faster
                with behind:
                    alerts(found, sizes)
        elif whole(found) != opening:
            st.expander("The whole sentence").markdown(fmt.plain(whole(found)))


def whole(found: Any) -> str:
    """Say all of an incident: its message, and the names of its models where they are too many for a heading."""
    many = len(found.models) > MOST_NAMES
    return str(found.message) + (f" Models: {', '.join(found.models)}." if many else "")


def alerts(found: Any, sizes: dict[str, str]) -> None:
    """List the alerts of an incident, the first with links to their figures; of many, all in a table."""
    st.markdown(fmt.plain(whole(found)))
    for each in found.alerts[:MOST]:
        with st.container(horizontal=True, gap="small"):
            since = fmt.window(each.since, sizes.get(each.model, "month"))
            st.markdown(
                f"**{each.severity.title()}**, {fmt.plain(each.model)}: {fmt.plain(each.message)}, since {since}. "
                f"{fmt.plain(each.action)}"
            )
            show_figure(each)
    if found.alerts[MOST:]:
        st.dataframe(
            pd.DataFrame(found.alerts)[["severity", "model", "what", "since", "message"]],
            hide_index=True,
            key=f"alerts {found.incident}",
            alt="Every alert of the incident",
        )


def show_figure(found: monitor.Alert, place: DeltaGenerator | None = None) -> None:
    """Link to the figure that raised an alert."""
    name, choices = figure_of(found)
    (place or st).page_link(
        f"pages/{name}.py", label="Show", query_params={"model": found.model, **choices}, width="content"
    )


def counted(number: int, what: str) -> str:
    """Write how many there are of something."""
    return f"{fmt.count(number)} {what}{'' if number == 1 else 's'}"


def figure_of(found: monitor.Alert) -> tuple[str, dict[str, str]]:
    """Return the page that shows the figure behind an alert, and what is chosen there."""
    version = str(found.version)
    if found.feature is not None:
        day = f"{found.window:%Y-%m-%d}"
        return "drift", {
            "version": version, "feature": found.feature, "window": day, "baseline": found.baseline or "training",
        }  # fmt: skip
    return "performance", {
        "version": version, "slice": found.slice or "all", "window": f"{found.window:%Y-%m-%d}",
        "metric": found.metric,
    }  # fmt: skip


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
        "The metric of the version in use: realized where outcomes are known, else estimated. Bars are 95 % intervals "
        "(a band where windows are many), a ring is an alert, the dotted line is the threshold. A window that has not "
        "ended or has few rows is pale.",
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
    sizes = {row.model: row.window_size or "month" for row in page.rows(page.ask(monitor.models))}
    st.header("What is wrong")
    overdue(overview)
    incidents(sizes)
    st.header("Models")
    many = len(overview) > MOST and not page.toggle(f"Show all {len(overview)} models in full", "all_models")
    if many:
        st.caption(f"The first {MOST} in full, worst first; the table above has all.")
    for _, each in (overview.head(MOST) if many else overview).iterrows():
        card(each, sizes[each["model"]])


page.show("Overview", draw)
