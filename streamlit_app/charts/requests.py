"""Frames of requests as Altair charts."""

from __future__ import annotations

import altair as alt
import pandas as pd

from mlbridge.app.charts.marks import TOP, layered

# What a version was to the requests of an hour.
ROLES = ["champion", "canary", "shadow"]
PERCENTILES = {"latency_p50": "half of them", "latency_p95": "95 %", "latency_p99": "99 %"}
HOUR = alt.Axis(labelExpr="timeFormat(datum.value, '%-d %b %H:%M')", labelOverlap=True, grid=False, tickCount=6)


def rate(frame: pd.DataFrame) -> alt.LayerChart:
    """Draw how many requests a second came in each hour, by what the version was to them."""
    frame = frame.assign(
        line=frame["version"].astype(str) + " " + frame["role"],
        when=frame["started_at"].dt.strftime("%-d %b %Y, %H:00"),
    )
    base = alt.Chart(frame).encode(
        x=alt.X("started_at:T", title=None, axis=HOUR),
        y=alt.Y("per_second:Q", title="requests a second", axis=alt.Axis(tickCount=5)),
        color=alt.Color("role:N", scale=alt.Scale(domain=_of(ROLES, frame["role"])), legend=TOP),
        detail="line:N",
    )
    tooltip = [
        alt.Tooltip("when:N", title="hour (UTC)"),
        alt.Tooltip("version:N"),
        alt.Tooltip("role:N"),
        alt.Tooltip("per_second:Q", title="requests a second", format=".3~r"),
        alt.Tooltip("requests:Q", format=","),
        alt.Tooltip("row_count:Q", title="rows", format=","),
    ]
    points = base.mark_point(filled=True, size=40).encode(tooltip=tooltip)
    return layered(base.mark_line(), points).properties(width="container", height=260)


def latency(frame: pd.DataFrame) -> alt.LayerChart:
    """Draw within which time half, 95 % and 99 % of the requests of an hour were answered, by version."""
    long = frame.melt(
        id_vars=["started_at", "version", "role", "requests"], value_vars=list(PERCENTILES), var_name="of"
    )
    long = long.assign(
        share=long["of"].map(PERCENTILES),
        line=long["version"].astype(str) + " " + long["role"],
        when=long["started_at"].dt.strftime("%-d %b %Y, %H:00"),
    )
    shares = list(PERCENTILES.values())
    base = alt.Chart(long).encode(
        x=alt.X("started_at:T", title=None, axis=HOUR),
        y=alt.Y("value:Q", title="milliseconds", axis=alt.Axis(tickCount=5)),
        color=alt.Color("share:N", scale=alt.Scale(domain=shares), legend=TOP),
        detail="line:N",
    )
    tooltip = [
        alt.Tooltip("when:N", title="hour (UTC)"),
        alt.Tooltip("version:N"),
        alt.Tooltip("role:N"),
        alt.Tooltip("share:N", title="of the requests"),
        alt.Tooltip("value:Q", title="milliseconds", format=".3~r"),
        alt.Tooltip("requests:Q", format=","),
    ]
    points = base.mark_point(filled=True, size=40).encode(tooltip=tooltip)
    return layered(base.mark_line(), points).properties(width="container", height=260)


def _of(order: list[str], found: pd.Series) -> list[str]:
    return [each for each in order if each in set(found)]
