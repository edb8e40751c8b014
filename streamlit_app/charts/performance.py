"""Frames of the pages Overview and Performance as Altair charts."""

from __future__ import annotations

import math

import altair as alt
import pandas as pd

from mlbridge.app import fmt
from mlbridge.app.charts.marks import (
    CROWDED,
    DASHES,
    GREY,
    KINDS,
    SHAPES,
    TOP,
    by_number,
    extent,
    layered,
    ringed,
    time_axis,
    tips,
)

MOST_SHAPES = 8  # up to this many versions are distinguished by shape
MOST_NAMES = 10  # champions that are labelled at most
AROUND = 160  # pixels of a height that a legend above and an axis below take


def history(frame: pd.DataFrame, metric: str, size: str, height: int = 280, baseline: bool = False) -> alt.LayerChart:
    """Draw a metric over the windows: realized and estimated with their intervals, threshold, alerts.

    One line per version and kind; if there are few versions, each has a shape of its own. The scale fits the windows
    that can be compared with others; one that cannot is pale, and may lie outside. With `baseline` a tick marks the
    naive baseline. Where windows are crowded, bands and lines take the place of bars, points and ticks, but for the
    points that a line does not show: of windows that cannot be compared, and of a version in its only window.
    """
    frame = frame.assign(version=frame["version"].map("version {}".format))
    whole = frame[frame["is_comparable"]] if frame["is_comparable"].any() else frame
    domain = extent(pd.concat([whole, whole.assign(value=whole["baseline"])]) if baseline else whole)
    pale = alt.condition(alt.datum.is_comparable, alt.value(1), alt.value(0.3))
    versions = list(dict.fromkeys(frame["version"]))
    x = time_axis("window", size, frame["window"])
    base = alt.Chart(frame).encode(x=x)
    # a band would take zero into the scale
    scale = alt.Scale(domain=domain, nice=True, zero=False)
    y = alt.Y("value:Q", title=metric, scale=scale, axis=alt.Axis(tickCount=5))
    kind = alt.Color("kind:N", scale=alt.Scale(domain=KINDS), legend=TOP)
    tooltip = [
        alt.Tooltip("window:T", title="window from", format="%-d %b %Y"),
        alt.Tooltip("version:N"),
        alt.Tooltip("kind:N"),
        alt.Tooltip("value:Q", title=metric, format=".4g"),
        alt.Tooltip("low:Q", title="95 % interval from", format=".4g"),
        alt.Tooltip("high:Q", title="to", format=".4g"),
        alt.Tooltip("threshold:Q", format=".4g"),
        alt.Tooltip("baseline:Q", title="naive baseline", format=".4g"),
        alt.Tooltip("n:Q", title="rows", format=","),
    ]
    windows = frame["window"].nunique()
    crowded = windows > CROWDED
    is_alone = ~frame.duplicated(["version", "kind"], keep=False)
    shown = frame[~frame["is_comparable"] | is_alone] if crowded else frame
    points = alt.Chart(shown).mark_point(filled=True, size=by_number(windows, 64, 30, 30), clip=True)
    points = points.encode(x=x, y=y, color=kind, opacity=pale, tooltip=tooltip)
    if 1 < len(versions) <= MOST_SHAPES and not crowded:
        points = points.encode(shape=alt.Shape("version:N", scale=alt.Scale(domain=versions), legend=SHAPES))
    threshold = alt.Y("threshold:Q", title=metric)
    layers = [
        base.mark_line(strokeDash=[2, 3], color=GREY, clip=True).encode(y=threshold, detail=["version:N", "kind:N"]),
        (base.mark_area(clip=True) if crowded else base.mark_rule(strokeWidth=2, clip=True)).encode(
            y=alt.Y("low:Q", title=metric, scale=scale),
            y2="high:Q",
            color=kind,
            opacity=alt.value(0.2)
            if crowded
            else alt.condition(alt.datum.is_comparable, alt.value(0.45), alt.value(0.15)),
            detail=["version:N"],
        ),
        *(
            base.transform_filter(alt.datum.kind == name)
            .mark_line(strokeWidth=1 if crowded else 2, strokeDash=dash, clip=True)
            .encode(y=y, color=kind, detail=["version:N"])
            for name, dash in DASHES.items()
            if (frame["kind"] == name).any()
        ),
        *([] if shown.empty else [points]),
        *tips(base, windows, y=y, tooltip=tooltip),
        *ringed(frame, x=x, y=y),
    ]
    if baseline:
        tick = base.mark_tick(color=GREY, thickness=2, orient="horizontal", bandSize=20, clip=True)
        line = base.mark_line(color=GREY, strokeWidth=1, clip=True).encode(detail=["version:N", "kind:N"])
        layers.append((line if crowded else tick).encode(y=alt.Y("baseline:Q", title=metric)))
    alone = frame[is_alone]
    if len(alone):  # a line through one window has no length
        tick = alt.Chart(alone).mark_tick(color=GREY, thickness=2, orient="horizontal", bandSize=30, clip=True)
        layers.append(tick.encode(x=x, y=threshold))
    return layered(*layers).properties(height=height, width="container")


def rules(frame: pd.DataFrame, size: str) -> alt.LayerChart:
    """Mark the moments at which another version became champion, to be laid over a history."""
    base = alt.Chart(frame.assign(label=frame["version"].map("v{}".format)))
    rule = base.mark_rule(color=GREY, strokeWidth=1).encode(
        x=time_axis("as_of", size), tooltip=[alt.Tooltip("label:N", title="in use from here"), alt.Tooltip("reason:N")]
    )
    # If there are many, only every k-th is labelled, so that the labels do not overlap.
    some = alt.Chart(base.data.iloc[:: math.ceil(len(frame) / MOST_NAMES)])
    text = some.mark_text(align="left", dx=4, dy=4, baseline="top", color=GREY).encode(
        x=time_axis("as_of", size), y=alt.value(0), text="label:N"
    )
    return layered(rule, text)


def history_with_champions(frame: pd.DataFrame, promotions: pd.DataFrame, metric: str, size: str) -> alt.LayerChart:
    """Draw a history and mark in it where another version became champion.

    A champion trained long after the last window is not marked, because it would stretch the axis.
    """
    inside = promotions[promotions["as_of"].between(frame["window"].min(), frame["window_end"].max())]
    drawn = history(frame, metric, size, baseline=True)
    both = drawn if inside.empty else layered(rules(inside, size), drawn)
    return both.properties(height=340, width="container")


def slices(frame: pd.DataFrame, metric: str) -> alt.LayerChart:
    """Draw one metric of each slice with its interval; a dotted line is the metric over all rows."""
    parts = frame[frame["slice"] != "all"]
    whole = frame[frame["slice"] == "all"]
    whole = whole[whole["kind"] == ("realized" if (whole["kind"] == "realized").any() else "estimated")]
    order = list(dict.fromkeys(parts["slice"]))
    y = alt.Y("slice:N", title=None, sort=order, axis=alt.Axis(labelLimit=220, labelOverlap=False))
    domain = extent(frame.assign(threshold=frame["value"]))
    x = alt.X("value:Q", title=metric, scale=alt.Scale(domain=domain), axis=alt.Axis(tickCount=6))
    kind = alt.Color("kind:N", scale=alt.Scale(domain=KINDS), legend=TOP)
    offset = alt.YOffset("kind:N", scale=alt.Scale(domain=KINDS))
    tooltip = [
        alt.Tooltip("slice:N"),
        alt.Tooltip("kind:N"),
        alt.Tooltip("value:Q", title=metric, format=".4g"),
        alt.Tooltip("low:Q", title="95 % interval from", format=".4g"),
        alt.Tooltip("high:Q", title="to", format=".4g"),
        alt.Tooltip("n:Q", title="rows", format=","),
    ]
    base = alt.Chart(parts).encode(y=y, yOffset=offset)
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=KINDS), legend=TOP)
    layers = [
        alt.Chart(whole).mark_rule(color=GREY, strokeDash=[2, 3]).encode(x=x),
        base.mark_rule(strokeWidth=2, opacity=0.45, clip=True).encode(
            x=alt.X("low:Q", title=metric), x2="high:Q", color=kind
        ),
        base.mark_point(filled=True, size=64, opacity=1).encode(x=x, color=kind, shape=shape, tooltip=tooltip),
        *ringed(parts, x=x, y=y, yOffset=offset),
    ]
    return layered(*layers).properties(width="container", height=26 * len(order) + AROUND)


def calibration(frame: pd.DataFrame) -> alt.LayerChart:
    """Draw observed shares against predicted probabilities."""
    ends = pd.DataFrame({"predicted": [0.0, 1.0], "observed": [0.0, 1.0]})
    x = alt.X("predicted:Q", title="predicted probability", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%"))
    y = alt.Y("observed:Q", title="observed share", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%"))
    base = alt.Chart(frame).encode(x=x)
    tooltip = [
        alt.Tooltip("predicted:Q", format=".1%"), alt.Tooltip("observed:Q", format=".1%"),
        alt.Tooltip("low:Q", format=".1%"), alt.Tooltip("high:Q", format=".1%"), alt.Tooltip("n:Q", format=","),
    ]  # fmt: skip
    layers = [
        alt.Chart(ends).mark_line(color=GREY, strokeDash=[2, 3]).encode(x=x, y=y),
        base.mark_rule(strokeWidth=2, opacity=0.45).encode(y=alt.Y("low:Q", title="observed share"), y2="high:Q"),
        base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=64, filled=True)).encode(y=y, tooltip=tooltip),
    ]
    return layered(*layers).properties(width="container", height=320)


def confusion(frame: pd.DataFrame) -> alt.LayerChart:
    """Draw a confusion matrix; the shade is the share of the actual class, so that rare classes are visible as well."""
    frame = frame.assign(share=frame["n"] / frame.groupby("actual")["n"].transform("sum"))
    short = fmt.shortened([*frame["actual"], *frame["predicted"]])
    frame = frame.assign(actual=frame["actual"].map(short), predicted=frame["predicted"].map(short))
    sort = list(dict.fromkeys([*frame["actual"], *frame["predicted"]]))
    few = len(sort) <= 8
    across = alt.Axis(orient="top", labelAngle=0 if few else -40, labelLimit=300, labelOverlap=False)
    base = alt.Chart(frame).encode(
        x=alt.X("predicted:N", sort=sort, title="predicted", axis=across),
        y=alt.Y("actual:N", sort=sort, title="actual", axis=alt.Axis(labelLimit=200, labelOverlap=False)),
        tooltip=[
            "actual:N",
            "predicted:N",
            alt.Tooltip("n:Q", format=","),
            alt.Tooltip("share:Q", title="of the actual class", format=".1%"),
        ],
    )
    # Dark and white text is readable on these two shades, in the light and the dark theme.
    shade = alt.Color("share:Q", scale=alt.Scale(domain=[0, 1], range=["#D6E6F2", "#0A5285"]), legend=None)
    label = "format(datum.n, ',')" + (" + ' · ' + format(datum.share, '.0%')" if few else "")
    texts = base.transform_calculate(label=label).mark_text(fontSize=14 if few else 9, fontWeight=600)
    ink = alt.condition("datum.share > 0.5", alt.value("white"), alt.value("#17324A"))
    layers = [base.mark_rect(cornerRadius=3).encode(color=shade), texts.encode(text="label:N", color=ink)]
    # With many classes the chart has a fixed size and scrolls.
    wide, high = ("container", 320) if few else (38 * len(sort) + 160, 32 * len(sort) + 120)
    return layered(*layers).properties(width=wide, height=high)


def residuals(frame: pd.DataFrame, tolerance: float) -> alt.LayerChart:
    """Draw the histogram of actual minus predicted; bars wholly within the tolerance have their own colour.

    The first and the last bar never count as within, because they include all more extreme rows.
    """
    slack = 1e-9 * max(1.0, tolerance)
    within = (frame["lower"] >= -tolerance - slack) & (frame["upper"] <= tolerance + slack)
    within.iloc[[0, -1]] = False
    frame = frame.assign(within=within.map({True: "within the tolerance", False: "beyond it"}))
    bars = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("lower:Q", title="actual minus predicted", bin="binned", axis=alt.Axis(tickCount=12, grid=False)),
            x2="upper:Q",
            y=alt.Y("n:Q", title="rows", axis=alt.Axis(format="~s")),
            color=alt.Color("within:N", scale=alt.Scale(domain=["within the tolerance", "beyond it"]), legend=TOP),
            tooltip=[
                alt.Tooltip("lower:Q", format=".4g"),
                alt.Tooltip("upper:Q", format=".4g"),
                alt.Tooltip("n:Q", format=","),
            ],
        )
    )
    zero = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color=GREY, strokeDash=[2, 3]).encode(x="zero:Q")
    return layered(bars, zero).properties(width="container", height=320)
