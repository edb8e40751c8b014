"""Frames of the page Predictions as Altair charts."""

from __future__ import annotations

import altair as alt
import pandas as pd

from mlbridge.app import fmt
from mlbridge.app.charts.marks import GRADIENT, GREY, OFFSETS, layered, time_axis

BY_OUTCOME = [[1, 0], [6, 3]]
KNOWN = ["outcome known", "not known yet"]
PERCENTAGE = 27  # pixels that it needs above a bar
SHARES = alt.Legend(orient="top", title="share of the window", format=".0%", gradientLength=GRADIENT, tickCount=4)
OUTCOMES = alt.Legend(orient="top", title="outcome", labelLimit=260, columns=4, symbolSize=400, symbolOpacity=1)
FULL = alt.Legend(orient="top", title=None, symbolType="square", symbolSize=140, symbolStrokeWidth=0)
AROUND = 100  # pixels of a height that a legend above and an axis below take


def predicted_over_time(frame: pd.DataFrame, size: str, title: str) -> alt.Chart:
    """Draw windows by bins of the prediction; the shade is the share of the window's rows."""
    frame = frame.assign(
        share=frame["n"] / frame.groupby("window")["n"].transform("sum"), when=frame["window"].map(fmt.day)
    )
    tooltip = [
        alt.Tooltip("when:N", title="window from"),
        alt.Tooltip("label:N", title="predicted"),
        alt.Tooltip("share:Q", title="share of the window", format=".1%"),
        alt.Tooltip("n:Q", title="rows", format=","),
    ]
    shade = alt.Color("share:Q", scale=alt.Scale(domainMin=0), legend=SHARES)
    x = time_axis("window", size)
    base = alt.Chart(frame.assign(end=frame["window"] + OFFSETS[size])).mark_rect(cornerRadius=2)
    drawn: alt.Chart = base.encode(x=x, x2="end:T", color=shade, tooltip=tooltip)
    if frame["lower"].isna().all():
        names = list(frame.groupby("label")["n"].sum().sort_values(ascending=False).index)
        y = alt.Y("label:N", title=title, sort=names, axis=alt.Axis(labelLimit=160))
        return drawn.encode(y=y).properties(width="container", height=22 * len(names) + AROUND)
    return drawn.encode(
        y=alt.Y("lower:Q", title=title, bin="binned", axis=alt.Axis(tickCount=6, grid=False)), y2="upper:Q"
    ).properties(width="container", height=320)


def volumes(frame: pd.DataFrame, size: str) -> alt.LayerChart:
    """Draw the number of predictions per window; the opaque part of a bar is the rows whose outcome is known."""
    whole = frame.assign(known=frame["labelled"] / frame["n"], end=frame["window"] + OFFSETS[size])
    whole = whole.assign(
        middle=whole["window"] + (whole["end"] - whole["window"]) / 2, when=whole["window"].map(fmt.day)
    )
    parts = pd.concat(
        [
            whole.assign(rows=KNOWN[0], low=0, high=whole["labelled"]),
            whole.assign(rows=KNOWN[1], low=whole["labelled"], high=whole["n"]),
        ]
    )
    tooltip = [
        alt.Tooltip("when:N", title="window from"),
        alt.Tooltip("n:Q", title="predictions", format=","),
        alt.Tooltip("labelled:Q", title="outcome known", format=","),
        alt.Tooltip("known:Q", title="share", format=".1%"),
        alt.Tooltip("mean:Q", title="mean prediction", format=".4g"),
    ]
    bars = (
        alt.Chart(parts)
        .mark_bar(cornerRadius=2)
        .encode(
            x=time_axis("window", size),
            x2="end:T",
            y=alt.Y("low:Q", title="predictions", axis=alt.Axis(format="~s", tickCount=5)),
            y2="high:Q",
            opacity=alt.Opacity("rows:O", sort=KNOWN, scale=alt.Scale(domain=KNOWN, range=[1, 0.35]), legend=FULL),
            tooltip=tooltip,
        )
    )
    where_wide = alt.ExprRef(f"width < {PERCENTAGE * len(whole)} ? 0 : 1")
    text = alt.Chart(whole).mark_text(dy=-4, baseline="bottom", color=GREY, opacity=where_wide)
    labels = text.encode(
        x=time_axis("middle", size), y=alt.Y("n:Q", title="predictions"), text=alt.Text("known:Q", format=".0%")
    )
    return layered(bars, labels).properties(width="container", height=320)


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
    drawn: alt.Chart = (
        alt.Chart(pd.concat([full, ends]))
        .mark_line(interpolate="step-after", strokeWidth=2.5)
        .encode(
            x=alt.X(
                "probability:Q", title="predicted probability", axis=alt.Axis(format=".0%", grid=False, tickCount=10)
            ),
            y=alt.Y("share:Q", title="share of the outcome's rows", axis=alt.Axis(format=".0%", tickCount=5)),
            color=alt.Color("actual:N", scale=alt.Scale(domain=names), legend=OUTCOMES),
            strokeDash=alt.StrokeDash(
                "actual:N", scale=alt.Scale(domain=names, range=BY_OUTCOME[: len(names)]), legend=OUTCOMES
            ),
            tooltip=tooltip,
        )
        .properties(width="container", height=320)
    )
    return drawn


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
        legend=alt.Legend(orient="top", title="rows", format="~s", gradientLength=GRADIENT, tickCount=4),
    )
    cells = alt.Chart(frame).mark_rect().encode(
        x=x.bin("binned"), x2="predicted_upper:Q", y=y.bin("binned"), y2="actual_upper:Q", color=shade, tooltip=tooltip
    )  # fmt: skip
    diagonal = alt.Chart(ends).mark_line(color=GREY, strokeDash=[4, 3], strokeWidth=1.5).encode(x=x, y=y)
    return layered(cells, diagonal).properties(width="container", height=460)
