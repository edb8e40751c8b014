"""Frames of the page Runs as Altair charts."""

from __future__ import annotations

import altair as alt
import pandas as pd

from mlbridge.app import fmt
from mlbridge.app.charts.marks import GREY, TOP, layered

# An ordinal axis of times: every build has the same width, however far apart they are.
BUILD = alt.Axis(
    labelExpr="[utcFormat(toDate(datum.value), '%-d %b'), utcFormat(toDate(datum.value), '%H:%M')]",
    labelAngle=0,
    labelOverlap=True,
    grid=False,
)
FEW_BARS = 8


def builds(frame: pd.DataFrame) -> alt.LayerChart:
    """Draw how long each build took; a cross marks one in which a node or a test failed, or nodes were skipped."""
    failed = frame["failed"] + frame["skipped"] + frame["tests_failed"].fillna(0) > 0
    frame = _named(frame).assign(result=failed.map({True: "failed", False: "done"}))
    tooltip = [
        alt.Tooltip("when:N", title="started (UTC)"),
        alt.Tooltip("known:N", title="as of"),
        alt.Tooltip("took:N"),
        alt.Tooltip("nodes:Q", format=","),
        alt.Tooltip("failed:Q", title="failed nodes", format=","),
        alt.Tooltip("skipped:Q", title="skipped nodes", format=","),
        alt.Tooltip("tests_failed:Q", title="failed tests", format=","),
    ]
    x = alt.X("build:O", title=None, axis=BUILD)
    y = alt.Y("seconds:Q", title="seconds", axis=alt.Axis(tickCount=5))
    colour = alt.Color("result:N", scale=alt.Scale(domain=["done", "failed"]), legend=TOP)
    layers = [_bars(frame).encode(x=x, y=y, color=colour, tooltip=tooltip)]
    if failed.any():
        crosses = alt.Chart(frame[failed]).mark_text(text="✗", dy=-4, baseline="bottom", fontSize=16, color=GREY)
        layers.append(crosses.encode(x=x, y=y, tooltip=tooltip))
    return layered(*layers).properties(width="container", height=260)


def multiples(frame: pd.DataFrame, name: str, value: str, unit: str) -> alt.VConcatChart:
    """Draw a figure of each stage or node over the builds, each on a scale of its own."""
    frame = _named(frame)
    order = sorted(frame["build"].unique())
    kinds = list(dict.fromkeys(frame[name]))
    tooltip = [
        alt.Tooltip(f"{name}:N"),
        alt.Tooltip("when:N", title="started (UTC)"),
        alt.Tooltip(f"{value}:Q", title=unit, format=",.4~r"),
    ]
    parts = []
    for each in kinds:
        rows = frame[frame[name] == each]
        digits = "~s" if rows[value].max() >= 1000 else ".3~r"
        y = alt.Y(f"{value}:Q", title=None, axis=alt.Axis(tickCount=2, format=digits))
        axis = BUILD if each == kinds[-1] else alt.Axis(labels=False, ticks=False, grid=False)
        x = alt.X("build:O", scale=alt.Scale(domain=order), title=None, axis=axis)
        title = alt.TitleParams(str(each), anchor="start", fontSize=12, fontWeight="normal", frame="group", offset=6)
        drawn = _bars(rows, len(order)).encode(x=x, y=y, tooltip=tooltip)
        parts.append(drawn.properties(title=title, height=46, width="container"))
    return alt.vconcat(*parts, spacing=10)


def slowest(frame: pd.DataFrame) -> alt.LayerChart:
    """Draw the seconds of the nodes of one build, slowest on top; a tick is what is usual for the node."""
    names = list(frame["node"])
    longest = float(frame[["seconds", "usual"]].max().max())
    near = frame["usual"].between(frame["seconds"], frame["seconds"] + 0.1 * longest)
    frame = frame.assign(beside=frame["usual"].where(near, frame["seconds"]))
    y = alt.Y("node:N", sort=names, title=None, axis=alt.Axis(labelLimit=210, labelOverlap=False))
    x = alt.X("seconds:Q", title="seconds", scale=alt.Scale(domain=[0, 1.18 * longest]), axis=alt.Axis(tickCount=6))
    tooltip = [
        alt.Tooltip("node:N"),
        alt.Tooltip("stage:N"),
        alt.Tooltip("seconds:Q", format=",.2f"),
        alt.Tooltip("usual:Q", title="median of the builds before", format=",.2f"),
        alt.Tooltip("rows:Q", format=","),
        alt.Tooltip("rows_per_second:Q", title="rows per second", format=",.0f"),
        alt.Tooltip("status:N"),
    ]
    base = alt.Chart(frame).encode(y=y, tooltip=tooltip)
    layers = [
        base.mark_bar(cornerRadiusEnd=3, height={"band": 0.7}).encode(x=x),
        base.mark_tick(color=GREY, thickness=3, orient="vertical").encode(x=alt.X("usual:Q", title="seconds")),
        base.mark_text(align="left", dx=6, color=GREY).encode(x=alt.X("beside:Q", title="seconds"), text="took:N"),
    ]
    return layered(*layers).properties(width="container", height=26 * len(names) + 80)


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the start of each build (UTC) as an axis value, `build`, and as text, `when`."""
    moments = frame["started_at"]
    return frame.assign(build=moments.dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), when=moments.map(fmt.moment))


def _bars(frame: pd.DataFrame, builds: int | None = None) -> alt.Chart:
    """Return a bar chart whose bars have a maximum width if there are few of them."""
    few = (builds or len(frame)) <= FEW_BARS
    chart = alt.Chart(frame)
    if few:
        bars: alt.Chart = chart.mark_bar(cornerRadiusEnd=2, size=28)
    else:
        bars = chart.mark_bar(cornerRadiusEnd=2, width={"band": 0.7})
    return bars
