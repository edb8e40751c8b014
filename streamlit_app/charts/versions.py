"""Frames of the page Versions as Altair charts."""

from __future__ import annotations

import altair as alt
import pandas as pd

from mlbridge.app.charts.marks import GREY, TOP, layered

CHOSEN, OTHER = 130, 40  # square pixels of a mark
AROUND = 100  # pixels of a height that a legend above and an axis below take


def leaderboard(frame: pd.DataFrame, metric: str) -> alt.LayerChart:
    """Draw every candidate of every version with its interval; ticks are the naive baseline on the same rows.

    What a training chose is large, the others are small.
    """
    order = sorted(frame["version"].unique())
    names = list(dict.fromkeys(frame["candidate"]))
    chosen = frame["outcome"] != "runner_up"
    x = alt.X("version:O", title="version", sort=order, axis=alt.Axis(labelAngle=0, labelOverlap=True))
    offset = alt.XOffset("candidate:N", scale=alt.Scale(domain=names, paddingOuter=0.6))
    y = alt.Y("value:Q", title=metric, scale=alt.Scale(zero=False, nice=True), axis=alt.Axis(tickCount=6))
    colour = alt.Color("candidate:N", scale=alt.Scale(domain=names), legend=TOP)
    shape = alt.Shape("candidate:N", scale=alt.Scale(domain=names), legend=TOP)
    tooltip = [
        alt.Tooltip("version:O"),
        alt.Tooltip("candidate:N"),
        alt.Tooltip("outcome:N"),
        alt.Tooltip("value:Q", title=metric, format=".4g"),
        alt.Tooltip("low:Q", title="95 % interval from", format=".4g"),
        alt.Tooltip("high:Q", title="to", format=".4g"),
        alt.Tooltip("baseline:Q", title="naive baseline", format=".4g"),
        alt.Tooltip("n:Q", title="test rows", format=","),
    ]
    base = alt.Chart(frame).encode(x=x, xOffset=offset)
    layers = [
        alt.Chart(frame[chosen])
        .mark_tick(color=GREY, thickness=2, orient="horizontal", bandSize=30)
        .encode(x=x, y=alt.Y("baseline:Q", title=metric), tooltip=tooltip),
        base.mark_rule(strokeWidth=2, opacity=0.45).encode(y=alt.Y("low:Q", title=metric), y2="high:Q", color=colour),
    ]
    for rows, size in ((frame[chosen], CHOSEN), (frame[~chosen], OTHER)):
        if len(rows):
            points = alt.Chart(rows).mark_point(filled=True, size=size, opacity=1)
            layers.append(points.encode(x=x, xOffset=offset, y=y, color=colour, shape=shape, tooltip=tooltip))
    used = frame[frame["in_use"]]
    if len(used):
        below = bool((used["baseline"] > used["value"]).all())  # away from the tick
        label = alt.Chart(used).mark_text(
            color=GREY, fontWeight=600, dy=9 if below else -9, baseline="top" if below else "bottom"
        )
        at = alt.Y("low:Q" if below else "high:Q", title=metric)
        layers.append(label.encode(x=x, xOffset=offset, y=at, text=alt.value("in use")))
    return layered(*layers).properties(height=380, width="container")


def importances(frame: pd.DataFrame) -> alt.LayerChart:
    """Draw the permutation importance of each feature, a mark of its own for each version."""
    frame = frame.assign(
        version=frame["version"].map("version {}".format),
        low=frame["mean"] - frame["std"],
        high=frame["mean"] + frame["std"],
    )
    features, versions = list(dict.fromkeys(frame["feature"])), sorted(frame["version"].unique())
    title = "importance"
    y = alt.Y("feature:N", sort=features, title=None, axis=alt.Axis(labelLimit=190, labelOverlap=False))
    offset = alt.YOffset("version:N", scale=alt.Scale(domain=versions))
    x = alt.X("mean:Q", title=title, axis=alt.Axis(tickCount=5))
    colour = alt.Color("version:N", scale=alt.Scale(domain=versions), legend=TOP)
    shape = alt.Shape("version:N", scale=alt.Scale(domain=versions), legend=TOP)
    tooltip = [
        alt.Tooltip("feature:N"),
        alt.Tooltip("version:N"),
        alt.Tooltip("mean:Q", title=title, format=".4f"),
        alt.Tooltip("std:Q", title="standard deviation", format=".4f"),
        alt.Tooltip("n:Q", title="rows", format=","),
    ]
    base = alt.Chart(frame).encode(y=y, yOffset=offset, color=colour)
    zero = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color=GREY, strokeDash=[2, 3]).encode(x="zero:Q")
    layers = [
        zero,
        base.mark_rule(strokeWidth=2, opacity=0.45).encode(x=alt.X("low:Q", title=title), x2="high:Q"),
        base.mark_point(filled=True, size=64, opacity=1).encode(x=x, shape=shape, tooltip=tooltip),
    ]
    return layered(*layers).properties(width="container", height=24 * len(features) + AROUND)
