"""Frames of the pages Versions, Predictions and Runs as Altair charts, and the pipeline as a graph."""

from __future__ import annotations

import altair as alt
import pandas as pd

from mlbridge.app.charts import GREY, SHAPES, TOP, time_axis

# A moment as a word of an axis: builds are as far apart as they come, and each of them gets the same room.
BUILD = alt.Axis(
    labelExpr="utcFormat(toDate(datum.value), '%-d %b %H:%M')", labelAngle=-40, labelOverlap=True, grid=False
)
BY_OUTCOME = [[1, 0], [6, 3]]
OFFSETS = {
    "day": pd.DateOffset(days=1),
    "week": pd.DateOffset(days=7),
    "month": pd.DateOffset(months=1),
}


def leaderboard(frame: pd.DataFrame, metric: str) -> alt.LayerChart:
    """Draw every candidate of every version with its interval; ticks are the naive baseline on the same rows.

    What a training chose is filled, the others are hollow.
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
    for rows, filled in ((frame[chosen], True), (frame[~chosen], False)):
        if len(rows):
            points = alt.Chart(rows).mark_point(filled=filled, size=72, opacity=1, strokeWidth=2)
            layers.append(points.encode(x=x, xOffset=offset, y=y, color=colour, shape=shape, tooltip=tooltip))
    used = frame[frame["in_use"]]
    if len(used):
        words = alt.Chart(used).mark_text(dy=-9, baseline="bottom", color=GREY, fontWeight=600)
        layers.append(words.encode(x=x, xOffset=offset, y=alt.Y("high:Q", title=metric), text=alt.value("in use")))
    return alt.layer(*layers).properties(height=320, width="container")


def importances(frame: pd.DataFrame) -> alt.LayerChart:
    """Draw the permutation importance of each feature, a mark of its own for each version."""
    frame = frame.assign(
        version=frame["version"].map("version {}".format),
        low=frame["mean"] - frame["std"],
        high=frame["mean"] + frame["std"],
    )
    features, versions = list(dict.fromkeys(frame["feature"])), sorted(frame["version"].unique())
    title = "importance"
    y = alt.Y("feature:N", sort=features, title=None, axis=alt.Axis(labelLimit=190))
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
    return alt.layer(*layers).properties(width="container", height=24 * len(features) + 10)


def predicted_over_time(frame: pd.DataFrame, size: str, title: str) -> alt.Chart:
    """Draw windows by bins of the prediction; the shade is the share of the window's rows."""
    frame = frame.assign(share=frame["n"] / frame.groupby("window")["n"].transform("sum"))
    tooltip = [
        alt.Tooltip("window:T", title="window from", format="%-d %b %Y"),
        alt.Tooltip("label:N", title=title),
        alt.Tooltip("share:Q", title="share of the window", format=".1%"),
        alt.Tooltip("n:Q", title="rows", format=","),
    ]
    shade = alt.Color("share:Q", scale=alt.Scale(domainMin=0), legend=SHARES)
    x = time_axis("window", size)
    base = alt.Chart(frame.assign(end=frame["window"] + OFFSETS[size])).mark_rect(cornerRadius=2)
    base = base.encode(x=x, x2="end:T", color=shade, tooltip=tooltip)
    if frame["lower"].isna().all():
        names = list(frame.groupby("label")["n"].sum().sort_values(ascending=False).index)
        y = alt.Y("label:N", title=title, sort=names, axis=alt.Axis(labelLimit=160))
        return base.encode(y=y).properties(width="container", height=22 * len(names) + 40)
    return base.encode(
        y=alt.Y("lower:Q", title=title, bin="binned", axis=alt.Axis(tickCount=6, grid=False)), y2="upper:Q"
    ).properties(width="container", height=320)


SHARES = alt.Legend(orient="top", title="share of the window", format=".0%", gradientLength=180, tickCount=4)


def volumes(frame: pd.DataFrame, size: str) -> alt.LayerChart:
    """Draw how much was predicted per window, and of how much the outcome is known."""
    whole = frame.assign(known=frame["labelled"] / frame["n"], end=frame["window"] + OFFSETS[size])
    whole["middle"] = whole["window"] + (whole["end"] - whole["window"]) / 2
    parts = pd.concat(
        [
            whole.assign(rows="outcome known", part=whole["labelled"], start=0),
            whole.assign(rows="not known yet", part=whole["n"] - whole["labelled"], start=whole["labelled"]),
        ]
    )
    parts["top"] = parts["start"] + parts["part"]
    names = ["outcome known", "not known yet"]
    tooltip = [
        alt.Tooltip("window:T", title="window from", format="%-d %b %Y"),
        alt.Tooltip("n:Q", title="predictions", format=","),
        alt.Tooltip("labelled:Q", title="outcome known", format=","),
        alt.Tooltip("known:Q", title="share", format=".1%"),
        alt.Tooltip("mean:Q", title="mean prediction", format=".4g"),
    ]
    y = alt.Y("start:Q", title="predictions", axis=alt.Axis(format="~s", tickCount=5))
    bars = (
        alt.Chart(parts)
        .mark_bar(cornerRadius=2, binSpacing=2)
        .encode(
            x=time_axis("window", size), x2="end:T", y=y, y2="top:Q", tooltip=tooltip,
            color=alt.Color("rows:N", scale=alt.Scale(domain=names), legend=TOP),
        )
    )  # fmt: skip
    if len(whole) > 16:
        return alt.layer(bars).properties(width="container", height=240)
    text = alt.Chart(whole).mark_text(dy=-4, baseline="bottom", color=GREY)
    told = text.encode(
        x=time_axis("middle", size), y=alt.Y("n:Q", title="predictions"), text=alt.Text("known:Q", format=".0%")
    )
    return alt.layer(bars, told).properties(width="container", height=240)


def by_outcome(frame: pd.DataFrame) -> alt.Chart:
    """Draw how the probability is distributed among the rows of each outcome; a step is 0.02 wide."""
    names = sorted(frame["actual"].unique())
    steps = frame.assign(step=frame["step"] // 4).groupby(["actual", "step"], as_index=False)["n"].sum()
    every = pd.MultiIndex.from_product([names, range(50)], names=["actual", "step"])
    full = steps.set_index(["actual", "step"]).reindex(every, fill_value=0).reset_index()
    full = full.assign(
        share=full["n"] / full.groupby("actual")["n"].transform("sum"),
        probability=full["step"] / 50,
        upper=(full["step"] + 1) / 50,
    )
    tooltip = [
        alt.Tooltip("actual:N", title="outcome"),
        alt.Tooltip("probability:Q", title="probability from", format=".0%"),
        alt.Tooltip("upper:Q", title="to", format=".0%"),
        alt.Tooltip("share:Q", title="share of the outcome", format=".1%"),
        alt.Tooltip("n:Q", title="rows", format=","),
    ]
    # The last step ends at 1, where a line would not go without a point.
    ends = full[full["step"] == 49].assign(probability=1.0)
    return (
        alt.Chart(pd.concat([full, ends]))
        .mark_line(interpolate="step-after", strokeWidth=2.5)
        .encode(
            x=alt.X("probability:Q", title="predicted probability", axis=alt.Axis(format=".0%", grid=False)),
            y=alt.Y("share:Q", title="share of the outcome's rows", axis=alt.Axis(format=".0%", tickCount=5)),
            color=alt.Color("actual:N", scale=alt.Scale(domain=names), legend=OUTCOMES),
            strokeDash=alt.StrokeDash(
                "actual:N", scale=alt.Scale(domain=names, range=BY_OUTCOME[: len(names)]), legend=OUTCOMES
            ),
            tooltip=tooltip,
        )
        .properties(width="container", height=320)
    )


OUTCOMES = alt.Legend(orient="top", title="outcome", labelLimit=260, columns=4, symbolSize=400, symbolOpacity=1)


def against(frame: pd.DataFrame) -> alt.LayerChart:
    """Draw outcomes against predictions, counted in cells; on the diagonal the prediction was right."""
    low = float(min(frame["predicted_lower"].min(), frame["actual_lower"].min()))
    high = float(max(frame["predicted_upper"].max(), frame["actual_upper"].max()))
    ends = pd.DataFrame({"predicted_lower": [low, high], "actual_lower": [low, high]})
    scale = alt.Scale(domain=[low, high], nice=False)
    x = alt.X("predicted_lower:Q", title="predicted", scale=scale, axis=alt.Axis(grid=False, tickCount=7))
    y = alt.Y("actual_lower:Q", title="actual", scale=scale, axis=alt.Axis(grid=False, tickCount=7))
    tooltip = [
        alt.Tooltip("predicted_lower:Q", title="predicted from", format=".4g"),
        alt.Tooltip("predicted_upper:Q", title="to", format=".4g"),
        alt.Tooltip("actual_lower:Q", title="actual from", format=".4g"),
        alt.Tooltip("actual_upper:Q", title="to", format=".4g"),
        alt.Tooltip("n:Q", title="rows", format=","),
    ]
    shade = alt.Color(
        "n:Q",
        scale=alt.Scale(type="log", domainMin=1),
        legend=alt.Legend(orient="top", title="rows", format="~s", gradientLength=180, tickCount=4),
    )
    cells = alt.Chart(frame).mark_rect().encode(
        x=x.bin("binned"), x2="predicted_upper:Q", y=y.bin("binned"), y2="actual_upper:Q", color=shade, tooltip=tooltip
    )  # fmt: skip
    diagonal = alt.Chart(ends).mark_line(color=GREY, strokeDash=[4, 3], strokeWidth=1.5).encode(x=x, y=y)
    return alt.layer(cells, diagonal).properties(width="container", height=420)


def builds(frame: pd.DataFrame) -> alt.LayerChart:
    """Draw how long each build took; a cross marks one in which a node or a test failed."""
    frame = _named(frame)
    frame["result"] = (frame["failed"] + frame["tests_failed"].fillna(0) > 0).map({True: "failed", False: "done"})
    tooltip = [
        alt.Tooltip("started_at:T", title="started (UTC)", format="%-d %b %Y, %H:%M"),
        alt.Tooltip("as_of:T", title="knowledge of", format="%-d %b %Y"),
        alt.Tooltip("took:N", title="took"),
        alt.Tooltip("nodes:Q", format=","),
        alt.Tooltip("failed:Q", title="failed nodes", format=","),
        alt.Tooltip("tests_failed:Q", title="failed tests", format=","),
    ]
    order = list(frame["build"])
    x = alt.X("build:O", sort=order, title=None, axis=BUILD)
    y = alt.Y("seconds:Q", title="seconds", axis=alt.Axis(tickCount=5, format="~s"))
    colour = alt.Color("result:N", scale=alt.Scale(domain=["done", "failed"]), legend=TOP)
    bars = alt.Chart(frame).mark_bar(cornerRadiusEnd=3, width={"band": 0.7}).encode(
        x=x, y=y, color=colour, tooltip=tooltip
    )  # fmt: skip
    failed = frame[frame["result"] == "failed"]
    if failed.empty:
        return alt.layer(bars).properties(width="container", height=200)
    crosses = alt.Chart(failed).mark_text(text="✗", dy=-4, baseline="bottom", fontSize=16, color=GREY)
    return alt.layer(bars, crosses.encode(x=x, y=y, tooltip=tooltip)).properties(width="container", height=200)


def multiples(frame: pd.DataFrame, name: str, value: str, unit: str) -> alt.VConcatChart:
    """Draw a figure of each stage or node over the builds, each on a scale of its own."""
    frame = _named(frame)
    order = sorted(frame["build"].unique())
    parts = []
    kinds = list(dict.fromkeys(frame[name]))
    for place, each in enumerate(kinds):
        rows = frame[frame[name] == each]
        axis = BUILD if place == len(kinds) - 1 else alt.Axis(labels=False, ticks=False, grid=False)
        tooltip = [
            alt.Tooltip(f"{name}:N"),
            alt.Tooltip("build:T", title="started (UTC)", format="%-d %b %Y, %H:%M"),
            alt.Tooltip(f"{value}:Q", title=unit, format=",.4~r"),
            alt.Tooltip("status:N"),
        ]
        title = alt.TitleParams(str(each), anchor="start", fontSize=12, fontWeight="normal", offset=4)
        bars = alt.Chart(rows, title=title).mark_bar(cornerRadiusEnd=2, width={"band": 0.7})
        parts.append(
            bars.encode(
                x=alt.X("build:O", scale=alt.Scale(domain=order), title=None, axis=axis),
                y=alt.Y(f"{value}:Q", title=None, axis=alt.Axis(tickCount=2, format="~s", minExtent=36)),
                tooltip=tooltip,
            ).properties(height=46, width="container")
        )
    return alt.vconcat(*parts, spacing=4)


def slowest(frame: pd.DataFrame) -> alt.LayerChart:
    """Draw the seconds of the nodes of one build, slowest on top; a tick is what is usual for the node."""
    names = list(frame["node"])
    room = float(frame[["seconds", "usual"]].max().max()) * 1.18
    y = alt.Y("node:N", sort=names, title=None, axis=alt.Axis(labelLimit=210))
    x = alt.X("seconds:Q", title="seconds", scale=alt.Scale(domain=[0, room]), axis=alt.Axis(tickCount=6))
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
        base.mark_text(align="left", dx=6, color=GREY).encode(x=alt.X("far:Q", title="seconds"), text="took:N"),
    ]
    return alt.layer(*layers).properties(width="container", height=24 * len(names) + 10)


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    """Give each build its moment in UTC as a word."""
    return frame.assign(build=frame["started_at"].dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
