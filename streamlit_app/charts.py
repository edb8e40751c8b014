"""Frames of `mlbridge.monitor` as Altair charts. The colours are the theme's, in the order of each domain.

Moments are naive UTC; every time axis is a UTC axis, so that a browser's time zone moves nothing.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

GREY = "#8a8a8a"  # reads on light and on dark ground
KINDS = ["realized", "estimated"]
DASHES = {"realized": [1, 0], "estimated": [5, 4]}
RING = "#D55E00"  # the colour of an alert; its shape, a ring, is what tells it
TOP = alt.Legend(orient="top", title=None, labelLimit=260, columns=3, symbolOpacity=1)
SHAPES = alt.Legend(
    orient="bottom", title=None, columns=4, symbolOpacity=1, symbolFillColor=GREY, symbolStrokeColor=GREY
)
USUAL = ["rgba(70, 140, 200, 0.07)", "rgba(50, 125, 190, 0.8)"]
UNUSUAL = ["rgba(240, 165, 75, 0.95)", "rgba(190, 65, 0, 1)"]
FEW = 30  # of fewer rows an interval is so wide that it would hide the rest
AXIS_FORMAT = {"day": "%-d %b", "week": "%-d %b", "month": "%b %Y"}


def time_axis(name: str, size: str, title: str | None = None) -> alt.X:
    """Lay a column of moments along the x axis."""
    return alt.X(
        f"{name}:T",
        title=title,
        scale=alt.Scale(type="utc", padding=12),
        axis=alt.Axis(
            format=AXIS_FORMAT[size],
            labelOverlap=True,
            grid=False,
            tickCount={"interval": "month", "step": 1} if size == "month" else 8,
        ),
    )


def history(frame: pd.DataFrame, metric: str, size: str, height: int = 280) -> alt.LayerChart:
    """Draw a metric over the windows: realized and estimated with their intervals, threshold, alerts.

    One line per version and kind; a version that is not the only one is told by its shape.
    """
    frame = frame.assign(version=frame["version"].map("version {}".format))
    versions = list(dict.fromkeys(frame["version"]))
    base = alt.Chart(frame).encode(x=time_axis("window", size))
    y = alt.Y("value:Q", title=metric, scale=alt.Scale(domain=extent(frame), nice=True), axis=alt.Axis(tickCount=5))
    kind = alt.Color("kind:N", scale=alt.Scale(domain=KINDS), legend=TOP)
    tooltip = [
        alt.Tooltip("window:T", title="window from", format="%-d %b %Y"),
        alt.Tooltip("version:N"),
        alt.Tooltip("kind:N"),
        alt.Tooltip("value:Q", title=metric, format=".4g"),
        alt.Tooltip("low:Q", title="95 % interval from", format=".4g"),
        alt.Tooltip("high:Q", title="to", format=".4g"),
        alt.Tooltip("threshold:Q", format=".4g"),
        alt.Tooltip("n:Q", title="rows", format=","),
    ]
    points = base.mark_point(filled=True, size=64, opacity=1, clip=True).encode(y=y, color=kind, tooltip=tooltip)
    if len(versions) > 1:
        points = points.encode(shape=alt.Shape("version:N", scale=alt.Scale(domain=versions), legend=SHAPES))
    layers = [
        base.mark_line(strokeDash=[2, 3], color=GREY, clip=True).encode(
            y=alt.Y("threshold:Q", title=metric), detail=["version:N", "kind:N"]
        ),
        base.mark_rule(strokeWidth=2, opacity=0.45, clip=True).encode(
            y=alt.Y("low:Q", title=metric), y2="high:Q", color=kind, detail=["version:N"]
        ),
        *(
            base.transform_filter(alt.datum.kind == name)
            .mark_line(strokeWidth=2, strokeDash=dash, clip=True)
            .encode(y=y, color=kind, detail=["version:N"])
            for name, dash in DASHES.items()
            if (frame["kind"] == name).any()
        ),
        points,
        *ringed(frame, x=time_axis("window", size), y=y),
    ]
    return alt.layer(*layers).properties(height=height, width="container")


def extent(frame: pd.DataFrame) -> list[float]:
    """Give the range of values, thresholds and intervals, but for windows of so few rows that theirs hide the rest."""
    sure = frame[frame["n"] >= FEW]
    figures = pd.concat([frame["value"], sure["low"], sure["high"], sure["threshold"]]).dropna()
    room = 0.06 * (figures.max() - figures.min()) or 0.1
    return [float(figures.min() - room), float(figures.max() + room)]


def ringed(frame: pd.DataFrame, **where: alt.X | alt.Y | alt.YOffset) -> list[alt.Chart]:
    """Put a ring around what is an alert; no layer where nothing is."""
    alerts = frame[frame["alert"].astype(bool)]
    ring = alt.Chart(alerts).mark_point(size=260, strokeWidth=2.5, color=RING, shape="circle", clip=True)
    return [] if alerts.empty else [ring.encode(**where)]


def rules(frame: pd.DataFrame, size: str) -> alt.LayerChart:
    """Mark the moments at which another version became champion, to be laid over a history."""
    base = alt.Chart(frame.assign(label=frame["version"].map("v{}".format)))
    rule = base.mark_rule(color=GREY, strokeWidth=1).encode(
        x=time_axis("as_of", size), tooltip=[alt.Tooltip("label:N", title="in use from here"), alt.Tooltip("reason:N")]
    )
    text = base.mark_text(align="left", dx=4, dy=4, baseline="top", color=GREY).encode(
        x=time_axis("as_of", size), y=alt.value(0), text="label:N"
    )
    return alt.layer(rule, text)


def history_with_champions(frame: pd.DataFrame, promotions: pd.DataFrame, metric: str, size: str) -> alt.LayerChart:
    """Draw a history and mark in it where another version became champion."""
    inside = promotions[promotions["as_of"] >= frame["window"].min()]
    drawn = history(frame, metric, size)
    both = drawn if inside.empty else alt.layer(rules(inside, size), drawn)
    return both.properties(height=280, width="container")


def slices(frame: pd.DataFrame, metric: str) -> alt.LayerChart:
    """Draw one metric of each slice with its interval, beside that of the whole."""
    parts = frame[frame["slice"] != "all"]
    whole = frame[(frame["slice"] == "all") & (frame["kind"] == "realized")]
    order = list(dict.fromkeys(parts["slice"]))
    y = alt.Y("slice:N", title=None, sort=order, axis=alt.Axis(labelLimit=220))
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
    return alt.layer(*layers).properties(width="container", height=26 * len(order) + 10)


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
    return alt.layer(*layers).properties(width="container", height=320)


def confusion(frame: pd.DataFrame) -> alt.LayerChart:
    """Draw a confusion matrix; the shade is the share of the actual class, so that a rare one is seen as well."""
    frame = frame.assign(share=frame["n"] / frame.groupby("actual")["n"].transform("sum"))
    sort = list(dict.fromkeys([*frame["actual"], *frame["predicted"]]))
    base = alt.Chart(frame).encode(
        x=alt.X("predicted:N", sort=sort, title="predicted", axis=alt.Axis(orient="top", labelAngle=0, labelLimit=140)),
        y=alt.Y("actual:N", sort=sort, title="actual", axis=alt.Axis(labelLimit=140)),
        tooltip=[
            "actual:N",
            "predicted:N",
            alt.Tooltip("n:Q", format=","),
            alt.Tooltip("share:Q", title="of the actual class", format=".1%"),
        ],
    )
    # Two shades that carry dark and white text on either ground.
    shade = alt.Color("share:Q", scale=alt.Scale(domain=[0, 1], range=["#D6E6F2", "#0A5285"]), legend=None)
    few = len(sort) <= 8
    label = "format(datum.n, ',')" + (" + ' · ' + format(datum.share, '.0%')" if few else "")
    texts = base.transform_calculate(label=label).mark_text(fontSize=14 if few else 9, fontWeight=600)
    ink = alt.condition("datum.share > 0.5", alt.value("white"), alt.value("#17324A"))
    layers = [base.mark_rect(cornerRadius=3).encode(color=shade), texts.encode(text="label:N", color=ink)]
    return alt.layer(*layers).properties(width="container", height=300 if few else 32 * len(sort))


def residuals(frame: pd.DataFrame, tolerance: float) -> alt.LayerChart:
    """Draw the histogram of actual minus predicted; what is within the tolerance stands out."""
    frame = frame.assign(within=((frame["lower"] >= -tolerance - 1e-9) & (frame["upper"] <= tolerance + 1e-9)))
    frame["within"] = frame["within"].map({True: "within the tolerance", False: "beyond it"})
    bars = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("lower:Q", title="actual minus predicted", bin="binned"),
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
    return alt.layer(bars, zero).properties(width="container", height=320)


def drift_map(frame: pd.DataFrame, size: str) -> alt.LayerChart:
    """Draw features by windows; the shade is value by threshold, cut at 2, a triangle marks an alert."""
    features = list(frame.drop_duplicates("feature").sort_values("order")["feature"])
    days = sorted(frame["day"].unique())
    frame = frame.assign(shade=frame["ratio"].clip(upper=2))
    cell = alt.selection_point(name="cell", fields=["feature", "day"], on="click", empty=False)
    x = alt.X(
        "day:O",
        title=None,
        sort=days,
        axis=alt.Axis(orient="top", labelAngle=-40, labelExpr=_label(size), labelOverlap=True),
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
        # Up to the threshold from hardly there to blue, beyond it orange; either ground shines through.
        scale=alt.Scale(domain=[0, 1, 1.0001, 2], range=USUAL + UNUSUAL),
        legend=alt.Legend(orient="top", title=None, gradientLength=200, values=[0, 0.5, 1, 1.5, 2]),
    )
    faded = alt.Opacity("is_over:N", scale=alt.Scale(domain=[True, False], range=[1, 0.3]), legend=None)
    rects = (
        alt.Chart(frame)
        .mark_rect(cornerRadius=2, stroke=GREY, cursor="pointer")
        .encode(
            x=x,
            y=y,
            color=shade,
            opacity=faded,
            tooltip=tooltip,
            strokeWidth=alt.condition(cell, alt.value(2.5), alt.value(0)),
        )
        .add_params(cell)
    )
    alerts = frame[frame["alert"].astype(bool)]
    marks = alt.Chart(alerts).mark_point(shape="triangle-up", filled=True, size=44, color="#2B1200", opacity=1)
    layers = [rects] if alerts.empty else [rects, marks.encode(x=x, y=y, tooltip=tooltip)]
    return alt.layer(*layers).properties(width="container", height=22 * len(features))


def _label(size: str) -> str:
    return f"utcFormat(toDate(datum.value), '{'%b %Y' if size == 'month' else '%-d %b %Y'}')"


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
    return (
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
        .properties(width="container", height=20 * len(frame))
    )


def drift_history(frame: pd.DataFrame, size: str) -> dict[str, alt.LayerChart]:
    """Draw every metric of a feature over the windows, each on a scale of its own: a chart by metric."""
    tooltip = [
        alt.Tooltip("metric:N"),
        alt.Tooltip("window:T", title="window from", format="%-d %b %Y"),
        alt.Tooltip("value:Q", format=".4g"),
        alt.Tooltip("threshold:Q", format=".4g"),
        alt.Tooltip("rows_used:Q", title="rows", format=","),
    ]
    y = alt.Y("value:Q", title=None, axis=alt.Axis(tickCount=3))
    charts = {}
    for metric, rows in frame.groupby("metric", sort=False):
        base = alt.Chart(rows).encode(x=time_axis("window", size))
        layers = [
            base.mark_line(color=GREY, strokeDash=[2, 3]).encode(y=alt.Y("threshold:Q", title=None)),
            base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=40, filled=True)).encode(y=y, tooltip=tooltip),
            *ringed(rows, x=time_axis("window", size), y=y),
        ]
        charts[str(metric)] = alt.layer(*layers).properties(height=90, width="container")
    return charts
