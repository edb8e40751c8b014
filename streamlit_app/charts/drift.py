"""Frames of the page Drift as Altair charts."""

from __future__ import annotations

import math

import altair as alt
import pandas as pd

from mlbridge.app import fmt
from mlbridge.app.charts.marks import (
    CROWDED,
    GRADIENT,
    GREY,
    MANY,
    RING,
    TOP,
    by_number,
    layered,
    ringed,
    time_axis,
    tips,
)

USUAL = ["rgba(70, 140, 200, 0.07)", "rgba(50, 125, 190, 0.8)"]
CHOSEN = "#A8328F"  # differs from the shades of the map and from the background of both themes
UNUSUAL = ["rgba(240, 165, 75, 0.95)", "rgba(190, 65, 0, 1)"]


def drift_map(frame: pd.DataFrame, size: str) -> alt.LayerChart:
    """Draw features by windows; the shade is value by threshold, cut at 2, a triangle marks an alert.

    A cell is pale if its window cannot be compared with whole windows and does not alert; the `chosen` one is outlined.
    """
    features = list(frame.drop_duplicates("feature").sort_values("order")["feature"])
    days = sorted(frame["day"].unique())
    frame = frame.assign(shade=frame["ratio"].clip(upper=2))
    cell = alt.selection_point(name="cell", fields=["feature", "day"], on="click")
    x = alt.X(
        "day:O",
        title=None,
        sort=days,
        axis=alt.Axis(orient="top", labelAngle=0, labelExpr=_label(size), labelOverlap=True),
    )
    y = alt.Y("feature:N", sort=features, title=None, axis=alt.Axis(labelLimit=190, labelOverlap=False))
    tooltip = [
        alt.Tooltip("feature:N"),
        alt.Tooltip("day:O", title="window from"),
        alt.Tooltip("metric:N"),
        alt.Tooltip("value:Q", format=".4g"),
        alt.Tooltip("threshold:Q", format=".4g"),
        alt.Tooltip("ratio:Q", title="value / threshold", format=".2f"),
        alt.Tooltip("rows_used:Q", title="rows used", format=","),
        alt.Tooltip("importance:Q", format=".4f"),
    ]
    shade = alt.Color(
        "shade:Q",
        # Up to the threshold from nearly transparent to blue, beyond it orange; the background shows through.
        scale=alt.Scale(domain=[0, 1, 1.0001, 2], range=USUAL + UNUSUAL),
        legend=alt.Legend(orient="top", title=None, gradientLength=GRADIENT, format=".1f", values=[0, 0.5, 1, 1.5, 2]),
    )
    faded = alt.condition(alt.datum.is_comparable | alt.datum.alert, alt.value(1), alt.value(0.22))
    rects = (
        alt.Chart(frame)
        .mark_rect(cornerRadius=2, stroke=CHOSEN, cursor="pointer")
        .encode(
            x=x,
            y=y,
            color=shade,
            opacity=faded,
            tooltip=tooltip,
            strokeWidth=alt.condition(alt.datum.chosen, alt.value(3), alt.value(0)),
        )
        .add_params(cell)
    )
    alerts = frame[frame["alert"].astype(bool)]
    marks = alt.Chart(alerts).mark_point(
        shape="triangle-up", filled=True, size=44 if len(days) <= MANY else 12, color="#2B1200", opacity=1
    )
    layers = [rects] if alerts.empty else [rects, marks.encode(x=x, y=y, tooltip=tooltip)]
    return layered(*layers).properties(width="container", height=22 * len(features) + 100)


def _label(size: str) -> str:
    """Write a day as an axis does, in two lines: there may be many of them."""
    day = "%b" if size == "month" else "%-d %b"
    return f"[utcFormat(toDate(datum.value), '{day}'), utcFormat(toDate(datum.value), '%Y')]"


def distribution(frame: pd.DataFrame, window: str, baseline: str) -> alt.Chart:
    """Draw two distributions over the same bins, side by side."""
    names = [window, baseline]
    both = pd.concat(
        [
            frame[["label"]].assign(rows=window, part=frame["share"], count=frame["n"]),
            frame[["label"]].assign(rows=baseline, part=frame["share_baseline"], count=frame["n_baseline"]),
        ]
    )
    tooltip = [
        alt.Tooltip("label:N", title="bin"),
        alt.Tooltip("rows:N", title="of"),
        alt.Tooltip("part:Q", title="share", format=".2%"),
        alt.Tooltip("count:Q", title="rows", format=","),
    ]
    drawn: alt.Chart = (
        alt.Chart(both)
        .mark_bar()
        .encode(
            y=alt.Y(
                "label:N", sort=list(frame["label"]), title=None, axis=alt.Axis(labelLimit=160, labelOverlap=False)
            ),
            yOffset=alt.YOffset("rows:N", sort=names),
            x=alt.X("part:Q", title="share of rows", axis=alt.Axis(format="%", tickCount=5)),
            color=alt.Color("rows:N", scale=alt.Scale(domain=names), legend=TOP),
            tooltip=tooltip,
        )
        .properties(width="container", height=20 * len(frame) + 80)
    )
    return drawn


def drift_history(frame: pd.DataFrame, size: str) -> dict[str, alt.LayerChart]:
    """Draw every metric of a feature over the windows, each on a scale of its own: a chart by metric.

    The scale fits the windows that can be compared with whole ones: values from a few rows may be many times as
    large. Where windows are crowded, only those that cannot be compared have points that can be seen.
    """
    tooltip = [
        alt.Tooltip("metric:N"),
        alt.Tooltip("window:T", title="window from", format="%-d %b %Y"),
        alt.Tooltip("value:Q", format=".4g"),
        alt.Tooltip("threshold:Q", format=".4g"),
        alt.Tooltip("rows_used:Q", title="rows", format=","),
    ]
    charts = {}
    for metric, rows in frame.groupby("metric", sort=False):
        base = alt.Chart(rows).encode(x=time_axis("window", size))
        whole = rows[rows["is_comparable"]] if rows["is_comparable"].any() else rows
        figures = [0.0, *whole["value"].dropna(), *whole["threshold"].dropna()]
        room = 0.2 * (max(figures) - min(figures)) or 1.0
        domain = [min(figures) - 0.4 * room, max(figures) + room]
        y = alt.Y("value:Q", title=None, scale=alt.Scale(domain=domain), axis=alt.Axis(tickCount=3))
        pale = alt.condition(alt.datum.is_comparable, alt.value(1), alt.value(0.3))
        windows = rows["window"].nunique()
        shown = rows[~rows["is_comparable"]] if windows > CROWDED else rows
        points = alt.Chart(shown).mark_point(size=by_number(windows, 40, 20, 20), filled=True, clip=True)
        layers = [
            base.mark_line(color=GREY, strokeDash=[2, 3], clip=True).encode(y=alt.Y("threshold:Q", title=None)),
            base.mark_line(strokeWidth=by_number(windows, 2, 2, 1), clip=True).encode(y=y),
            *([] if shown.empty else [points.encode(x=time_axis("window", size), y=y, opacity=pale, tooltip=tooltip)]),
            *tips(base, windows, y=y, tooltip=tooltip),
            *ringed(rows, x=time_axis("window", size), y=y),
        ]
        charts[str(metric)] = layered(*layers).properties(height=120, width="container")
    return charts


def multiples(frame: pd.DataFrame, size: str) -> dict[str, alt.LayerChart]:
    """Draw a feature's distribution in each window on one scale: a chart by window; ticks are the training.

    A window with an alert has the colour of alerts and a triangle in its name, one that cannot be compared is pale and
    may be cut off.
    """
    whole = frame[frame["is_comparable"]] if frame["is_comparable"].any() else frame
    most = float(whole[["share", "share_baseline"]].max().max())
    x = alt.X("place:O", title=None, axis=None)
    y = alt.Y("share:Q", title=None, scale=alt.Scale(domain=[0, most]), axis=alt.Axis(format=".0%", tickCount=3))
    tooltip = [
        alt.Tooltip("label:N", title="bin"),
        alt.Tooltip("share:Q", format=".2%"),
        alt.Tooltip("share_baseline:Q", title="in training", format=".2%"),
        alt.Tooltip("n:Q", title="rows", format=","),
    ]
    first = frame.drop_duplicates("bin").set_index("bin")
    outside = {-1: math.inf, -2: -1 if first["upper"].notna().any() else 1e9}  # missing, and below or not in training
    order = {
        number: place for place, number in enumerate(sorted(first.index, key=lambda each: outside.get(each, each)))
    }
    charts = {}
    for window in sorted(frame["window"].unique()):
        rows = frame[frame["window"] == window]
        rows = rows.assign(place=rows["bin"].map(order))
        alert, known = bool(rows["alert"].iloc[0]), bool(rows["is_comparable"].iloc[0])
        base = alt.Chart(rows).encode(x=x, tooltip=tooltip)
        bars = base.mark_bar(opacity=1 if known or alert else 0.3, clip=True).encode(y=y)
        bars = bars.encode(color=alt.value(RING)) if alert else bars
        ticks = base.mark_tick(color=GREY, thickness=2).encode(y=alt.Y("share_baseline:Q", title=None))
        name = fmt.window(window, size) + (" \u25b2 alert" if alert else "" if known else " (not comparable)")
        charts[name] = layered(bars, ticks).properties(height=110, width="container")
    return charts


def outcomes(frame: pd.DataFrame, window: str, title: str, share: bool) -> alt.LayerChart:
    """Draw the mean outcome in each bin of a feature, now and in training, with intervals where there are any."""
    names = [window, "training"]
    both = pd.concat(
        [
            frame[["label"]].assign(
                rows=name,
                mean=frame[f"mean{end}"],
                low=frame[f"low{end}"],
                high=frame[f"high{end}"],
                n=frame[f"n{end}"],
            )
            for name, end in zip(names, ("", "_training"), strict=True)
        ]
    ).dropna(subset=["mean"])
    y = alt.Y("label:N", sort=list(frame["label"]), title=None, axis=alt.Axis(labelLimit=160, labelOverlap=False))
    axis = alt.Axis(format=".0%" if share else "~s", tickCount=5)
    x = alt.X("mean:Q", title=title, scale=alt.Scale(zero=share), axis=axis)
    colour = alt.Color("rows:N", scale=alt.Scale(domain=names), legend=TOP)
    shape = alt.Shape("rows:N", scale=alt.Scale(domain=names), legend=TOP)
    figures = ".1%" if share else ".4g"
    tooltip = [
        alt.Tooltip("label:N", title="bin"),
        alt.Tooltip("rows:N", title="of"),
        alt.Tooltip("mean:Q", title=title, format=figures),
        alt.Tooltip("low:Q", title="95 % interval from", format=figures),
        alt.Tooltip("high:Q", title="to", format=figures),
        alt.Tooltip("n:Q", title="rows", format=","),
    ]
    base = alt.Chart(both).encode(y=y, yOffset=alt.YOffset("rows:N", sort=names), color=colour)
    limits = base.mark_rule(strokeWidth=2, opacity=0.45).encode(x=alt.X("low:Q", title=title), x2="high:Q")
    points = base.mark_point(filled=True, size=64, opacity=1).encode(x=x, shape=shape, tooltip=tooltip)
    drawn = layered(limits, points) if both["low"].notna().any() else layered(points)
    return drawn.properties(width="container", height=24 * len(frame) + 80)


def associations(frame: pd.DataFrame, window: str) -> alt.LayerChart:
    """Draw each feature's correlation with its partners in training and in a window; a ring is an alert."""
    names = [window, "training"]
    y = alt.Y("feature:N", sort=list(frame["feature"]), title=None, axis=alt.Axis(labelLimit=190, labelOverlap=False))
    x = alt.X("correlation:Q", title="correlation with its partners", axis=alt.Axis(tickCount=6))
    both = pd.concat(
        [
            frame.assign(rows=window),
            frame.assign(rows="training", correlation=frame["correlation_training"], alert=False),
        ]
    ).dropna(subset=["correlation"])
    colour = alt.Color("rows:N", scale=alt.Scale(domain=names), legend=TOP)
    shape = alt.Shape("rows:N", scale=alt.Scale(domain=names), legend=TOP)
    tooltip = [
        alt.Tooltip("feature:N"),
        alt.Tooltip("partners:N"),
        alt.Tooltip("rows:N", title="of"),
        alt.Tooltip("correlation:Q", format=".2f"),
        alt.Tooltip("lost:Q", title="lost since training", format=".0%"),
        alt.Tooltip("threshold:Q", title="alert from", format=".0%"),
    ]
    lines = alt.Chart(frame).mark_rule(color=GREY).encode(y=y, x=x, x2="correlation_training:Q")
    points = alt.Chart(both).mark_point(filled=True, size=70, opacity=1)
    layers = [lines, points.encode(x=x, y=y, color=colour, shape=shape, tooltip=tooltip), *ringed(both, x=x, y=y)]
    return layered(*layers).properties(width="container", height=24 * len(frame) + 80)
