"""Frames of `mlbridge.monitor` as Altair charts. The colours are the theme's, in the order of each domain.

Moments are naive UTC; every time axis is a UTC axis, so that a browser's time zone moves nothing.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

GREY = "#8a8a8a"  # reads on light and on dark ground
KINDS = ["realized", "estimated"]
TOP = alt.Legend(orient="top", title=None, labelLimit=260, symbolLimit=20, columns=4)
AXIS_FORMAT = {"day": "%-d %b", "week": "%-d %b", "month": "%b %Y"}


def time_axis(name: str, size: str, title: str | None = None) -> alt.X:
    """Lay a column of moments along the x axis."""
    return alt.X(
        f"{name}:T",
        title=title,
        scale=alt.Scale(type="utc", padding=12),
        axis=alt.Axis(format=AXIS_FORMAT[size], labelOverlap=True, grid=False, tickCount={"interval": "month", "step": 1} if size == "month" else 8),
    )


def history(frame: pd.DataFrame, metric: str, size: str, height: int = 280) -> alt.LayerChart:
    """Draw a metric over the windows: realized and estimated with their intervals, threshold, alerts.

    One line per version and kind; a version that is not the only one is told by its shape.
    """
    frame = frame.assign(version=frame["version"].map("version {}".format))
    versions = list(dict.fromkeys(frame["version"]))
    base = alt.Chart(frame).encode(x=time_axis("window", size))
    value = alt.Y("value:Q", title=metric, scale=alt.Scale(zero=False, padding=8), axis=alt.Axis(tickCount=5))
    kind = alt.Color("kind:N", scale=alt.Scale(domain=KINDS), legend=TOP)
    dash = alt.StrokeDash("kind:N", scale=alt.Scale(domain=KINDS, range=[[1, 0], [5, 4]]), legend=None)
    shape = alt.Shape("version:N", scale=alt.Scale(domain=versions), legend=TOP if len(versions) > 1 else None)
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
    threshold = base.mark_line(strokeDash=[2, 3], color=GREY, interpolate="linear").encode(
        y=alt.Y("threshold:Q", title=metric), detail=["version:N", "kind:N"]
    )
    bars = base.mark_rule(strokeWidth=2, opacity=0.45).encode(
        y=alt.Y("low:Q", title=metric), y2="high:Q", color=kind, detail=["version:N"]
    )
    lines = base.mark_line(strokeWidth=2).encode(y=value, color=kind, strokeDash=dash, detail=["version:N"])
    points = base.mark_point(filled=True, size=64, opacity=1).encode(y=value, color=kind, shape=shape, tooltip=tooltip)
    alerts = (
        base.transform_filter("datum.alert")
        .mark_point(size=260, strokeWidth=2.5, color="#D55E00", shape="circle")
        .encode(y=value, tooltip=tooltip)
    )
    return alt.layer(threshold, bars, lines, points, alerts).properties(height=height, width="container")


def rules(frame: pd.DataFrame, size: str) -> alt.LayerChart:
    """Mark the moments at which another version became champion, to be laid over a history."""
    base = alt.Chart(frame.assign(label=frame["version"].map("version {} in use".format)))
    rule = base.mark_rule(color=GREY, strokeWidth=1).encode(x=time_axis("as_of", size), tooltip=["label:N", "reason:N"])
    text = base.mark_text(align="left", dx=4, dy=4, baseline="top", color=GREY).encode(
        x=time_axis("as_of", size), y=alt.value(0), text="label:N"
    )
    return alt.layer(rule, text)


def history_with_champions(frame: pd.DataFrame, promotions: pd.DataFrame, metric: str, size: str) -> alt.LayerChart:
    """Draw a history and mark in it where another version became champion."""
    inside = promotions[promotions["as_of"] >= frame["window"].min()]
    drawn = history(frame, metric, size)
    return drawn if inside.empty else alt.layer(rules(inside, size), drawn).properties(height=280, width="container")


def slices(frame: pd.DataFrame, metric: str) -> alt.LayerChart:
    """Draw one metric of each slice with its interval, beside that of the whole."""
    parts = frame[frame["slice"] != "all"]
    whole = frame[(frame["slice"] == "all") & (frame["kind"] == "realized")]
    y = alt.Y("slice:N", title=None, sort="-x", axis=alt.Axis(labelLimit=220))
    x = alt.X("value:Q", title=metric, scale=alt.Scale(zero=False))
    kind = alt.Color("kind:N", scale=alt.Scale(domain=KINDS), legend=TOP)
    offset = alt.YOffset("kind:N", scale=alt.Scale(domain=KINDS))
    tooltip = [
        "slice:N", "kind:N", alt.Tooltip("value:Q", title=metric, format=".4g"),
        alt.Tooltip("low:Q", format=".4g"), alt.Tooltip("high:Q", format=".4g"), alt.Tooltip("n:Q", title="rows", format=","),
    ]  # fmt: skip
    base = alt.Chart(parts).encode(y=y, yOffset=offset)
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=KINDS), legend=TOP)
    layers = [
        alt.Chart(whole).mark_rule(color=GREY, strokeDash=[2, 3]).encode(x=x),
        base.mark_rule(strokeWidth=2, opacity=0.45).encode(x=alt.X("low:Q", title=metric), x2="high:Q", color=kind),
        base.mark_point(filled=True, size=64, opacity=1).encode(x=x, color=kind, shape=shape, tooltip=tooltip),
        base.transform_filter("datum.alert").mark_point(size=260, strokeWidth=2.5, color="#D55E00").encode(x=x),
    ]
    return alt.layer(*layers).properties(width="container", height=alt.Step(26))


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
        tooltip=["actual:N", "predicted:N", alt.Tooltip("n:Q", format=","), alt.Tooltip("share:Q", title="of the actual class", format=".1%")],
    )
    cells = base.mark_rect(cornerRadius=3).encode(color=alt.Color("share:Q", scale=alt.Scale(domain=[0, 1]), legend=None))
    few = len(sort) <= 8
    texts = base.mark_text(fontSize=14 if few else 9, fontWeight=600, stroke=None).encode(
        text=alt.Text("label:N"), color=alt.condition("datum.share > 0.5", alt.value("white"), alt.value(GREY))
    ).transform_calculate(label="format(datum.n, ',') + (" + ("' · ' + format(datum.share, '.0%')" if few else "''") + ")")
    return alt.layer(cells, texts).properties(width="container", height=320 if few else 32 * len(sort))


def residuals(frame: pd.DataFrame, tolerance: float) -> alt.LayerChart:
    """Draw the histogram of actual minus predicted; what is within the tolerance stands out."""
    frame = frame.assign(within=((frame["lower"] >= -tolerance - 1e-9) & (frame["upper"] <= tolerance + 1e-9)))
    frame["within"] = frame["within"].map({True: "within the tolerance", False: "beyond it"})
    bars = alt.Chart(frame).mark_bar().encode(
        x=alt.X("lower:Q", title="actual minus predicted", bin="binned"),
        x2="upper:Q",
        y=alt.Y("n:Q", title="rows", axis=alt.Axis(format="~s")),
        color=alt.Color("within:N", scale=alt.Scale(domain=["within the tolerance", "beyond it"]), legend=TOP),
        tooltip=[alt.Tooltip("lower:Q", format=".4g"), alt.Tooltip("upper:Q", format=".4g"), alt.Tooltip("n:Q", format=",")],
    )
    zero = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color=GREY, strokeDash=[2, 3]).encode(x="zero:Q")
    return alt.layer(bars, zero).properties(width="container", height=320)


def drift_map(frame: pd.DataFrame, size: str) -> alt.LayerChart:
    """Draw features by windows; the shade is value by threshold, cut at 2, a triangle marks an alert."""
    features = list(frame.drop_duplicates("feature").sort_values("order")["feature"])
    labels = frame["window"].dt.strftime("%b %Y" if size == "month" else "%-d %b %Y")
    frame = frame.assign(label=labels, sign=frame["alert"].map({True: "▲", False: ""}))
    cell = alt.selection_point(name="cell", fields=["feature", "day"], on="click", empty=False)
    base = alt.Chart(frame).encode(
        x=alt.X("day:O", title=None, axis=alt.Axis(orient="top", labelAngle=-40, labelExpr=_label(size), labelOverlap=True)),
        y=alt.Y("feature:N", sort=features, title=None, axis=alt.Axis(labelLimit=190)),
        tooltip=[
            "feature:N", alt.Tooltip("label:N", title="window"), "metric:N",
            alt.Tooltip("value:Q", format=".4g"), alt.Tooltip("threshold:Q", format=".4g"),
            alt.Tooltip("ratio:Q", title="value / threshold", format=".2f"),
            alt.Tooltip("rows_used:Q", title="rows used", format=","), alt.Tooltip("importance:Q", format=".4f"),
        ],
    )  # fmt: skip
    shade = alt.Color(
        "ratio:Q",
        scale=alt.Scale(domain=[0, 1, 2], clamp=True, type="linear"),
        legend=alt.Legend(orient="top", title="value / threshold", gradientLength=180, values=[0, 0.5, 1, 1.5, 2]),
    )
    rects = base.mark_rect(cornerRadius=2, stroke=GREY, cursor="pointer").encode(
        color=shade, strokeWidth=alt.condition(cell, alt.value(2.5), alt.value(0))
    ).add_params(cell)
    signs = base.mark_text(fontSize=9, color="white").encode(text="sign:N")
    return alt.layer(rects, signs).properties(width="container", height=alt.Step(22))


def _label(size: str) -> str:
    return f"utcFormat(toDate(datum.value), '{'%b %Y' if size == 'month' else '%-d %b %Y'}')"


def distribution(frame: pd.DataFrame, window: str, baseline: str) -> alt.Chart:
    """Draw two distributions over the same bins, side by side."""
    names = [window, baseline]
    both = pd.concat(
        [frame.assign(rows=window, share_of=frame["share"], count=frame["n"]),
         frame.assign(rows=baseline, share_of=frame["share_baseline"], count=frame["n_baseline"])]
    )[["bin", "label", "rows", "share_of", "count"]]  # fmt: skip
    return alt.Chart(both).mark_bar().encode(
        y=alt.Y("label:N", sort=list(frame["label"]), title=None, axis=alt.Axis(labelLimit=160)),
        yOffset=alt.YOffset("rows:N", sort=names),
        x=alt.X("share_of:Q", title="share of rows", axis=alt.Axis(format="%", tickCount=5)),
        color=alt.Color("rows:N", scale=alt.Scale(domain=names), legend=TOP),
        tooltip=["label:N", "rows:N", alt.Tooltip("share_of:Q", title="share", format=".2%"), alt.Tooltip("count:Q", title="rows", format=",")],
    ).properties(width="container", height=alt.Step(9))


def drift_history(frame: pd.DataFrame, size: str) -> alt.FacetChart:
    """Draw every metric of a feature over the windows, each on a scale of its own."""
    base = alt.Chart(frame).encode(x=time_axis("window", size))
    y = alt.Y("value:Q", title=None, axis=alt.Axis(tickCount=3))
    tooltip = ["metric:N", alt.Tooltip("window:T", format="%-d %b %Y"), alt.Tooltip("value:Q", format=".4g"),
               alt.Tooltip("threshold:Q", format=".4g"), alt.Tooltip("rows_used:Q", title="rows", format=",")]  # fmt: skip
    layers = alt.layer(
        base.mark_line(color=GREY, strokeDash=[2, 3]).encode(y=alt.Y("threshold:Q", title=None)),
        base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=40, filled=True)).encode(y=y, tooltip=tooltip),
        base.transform_filter("datum.alert").mark_point(size=180, strokeWidth=2.5, color="#D55E00").encode(y=y),
    ).properties(height=70, width=420)
    return layers.facet(row=alt.Row("metric:N", title=None, header=alt.Header(labelAngle=0, labelAlign="left", labelOrient="top"))).resolve_scale(y="independent")
