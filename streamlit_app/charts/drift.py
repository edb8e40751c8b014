"""Frames of the page Drift as Altair charts."""

from __future__ import annotations

import altair as alt
import pandas as pd

from mlbridge.app.charts.marks import GRADIENT, GREY, MANY, TOP, layered, ringed, time_axis

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
    large.
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
        points = alt.OverlayMarkDef(size=40, filled=True, clip=True)
        layers = [
            base.mark_line(color=GREY, strokeDash=[2, 3], clip=True).encode(y=alt.Y("threshold:Q", title=None)),
            base.mark_line(strokeWidth=2, point=points, clip=True).encode(y=y, tooltip=tooltip),
            *ringed(rows, x=time_axis("window", size), y=y),
        ]
        charts[str(metric)] = layered(*layers).properties(height=120, width="container")
    return charts
