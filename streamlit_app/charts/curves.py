"""What a score is worth at each threshold, as Altair charts."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from mlbridge.app.charts.marks import GREY, NARROW, RING, layered

HEIGHT = 320
SHARE = alt.Axis(format=".0%", tickCount=6)
DASHES = [[1, 0], [6, 3]]
LINES = alt.Legend(
    orient="top",
    title=None,
    labelLimit=260,
    symbolType="stroke",
    symbolSize=400,
    symbolStrokeWidth=2.5,
    symbolOpacity=1,
    columns=alt.ExprRef(f"width < {NARROW} ? 1 : 4"),
)


def roc(named: Sequence[tuple[str, pd.DataFrame]]) -> alt.LayerChart:
    """Draw one or two ROC curves, the first with its intervals; on the diagonal a score is worth nothing."""
    ends = pd.DataFrame({"false_positive_rate": [0.0, 1.0], "recall": [0.0, 1.0]})
    return _curves(named, "false_positive_rate", "recall", ("false positive rate", "recall"), ends)


def precision_recall(named: Sequence[tuple[str, pd.DataFrame]]) -> alt.LayerChart:
    """Draw one or two precision-recall curves, the first with its intervals; the dotted line is the share of positives.

    A point without a flagged row has no precision.
    """
    _, first = named[0]
    share = float(first["positives"].iloc[0] / first["n"].iloc[0])
    ends = pd.DataFrame({"recall": [0.0, 1.0], "precision": [share, share]})
    some = [(name, points[points["flagged"] > 0]) for name, points in named]
    return _curves(some, "recall", "precision", ("recall", "precision"), ends)


def gains(named: Sequence[tuple[str, pd.DataFrame]], share: float) -> alt.LayerChart:
    """Draw which part of the positives the rows with the highest scores hold; a vertical line marks `share` of them."""
    ends = pd.DataFrame({"share_flagged": [0.0, 1.0], "recall": [0.0, 1.0]})
    drawn = _curves(named, "share_flagged", "recall", ("share of rows, highest scores first", "recall"), ends)
    return layered(drawn, _rule(share, "share_flagged"))


def _curves(
    named: Sequence[tuple[str, pd.DataFrame]], x: str, y: str, titles: tuple[str, str], reference: pd.DataFrame
) -> alt.LayerChart:
    names = [name for name, _ in named]
    across = alt.X(f"{x}:Q", title=titles[0], scale=alt.Scale(domain=[0, 1]), axis=SHARE)
    up = alt.Y(f"{y}:Q", title=titles[1], scale=alt.Scale(domain=[0, 1]), axis=SHARE)
    colour = alt.Color("rows:N", scale=alt.Scale(domain=names), legend=LINES)
    tooltip = [
        alt.Tooltip("rows:N", title="of"),
        alt.Tooltip("threshold:Q", format=".3f"),
        alt.Tooltip("share_flagged:Q", title="flagged", format=".1%"),
        alt.Tooltip("recall:Q", format=".1%"),
        alt.Tooltip("precision:Q", format=".1%"),
        alt.Tooltip("false_positive_rate:Q", title="false positive rate", format=".1%"),
        alt.Tooltip("lift:Q", format=".2f"),
    ]
    every = pd.concat([points.assign(rows=name, place=range(len(points))) for name, points in named])
    first = alt.Chart(every[every["rows"] == names[0]])
    limits = {"y": alt.Y(f"{y}_low:Q", title=titles[1]), "y2": f"{y}_high:Q"}
    dash = alt.StrokeDash("rows:N", scale=alt.Scale(domain=names, range=DASHES[: len(names)]), legend=LINES)
    layers = [
        alt.Chart(reference).mark_line(color=GREY, strokeDash=[2, 3]).encode(x=across, y=up),
        first.mark_area(opacity=0.18).encode(x=across, color=colour, **limits),
        alt.Chart(every)
        .mark_line(strokeWidth=2.5)
        .encode(x=across, y=up, color=colour, strokeDash=dash, order="place:Q"),
        alt.Chart(every)
        .mark_point(filled=True, size=36, opacity=1)
        .encode(x=across, y=up, color=colour, tooltip=tooltip),
    ]
    return layered(*layers).properties(width="container", height=HEIGHT)


def by_threshold(points: pd.DataFrame, threshold: float) -> alt.LayerChart:
    """Draw precision and recall at each threshold with their intervals; a vertical line marks the one chosen."""
    names = ["precision", "recall"]
    parts = [
        points[["threshold", "flagged"]].assign(
            of=name, value=points[name], low=points[f"{name}_low"], high=points[f"{name}_high"]
        )
        for name in names
    ]
    frame = pd.concat(parts).dropna(subset=["value"])
    x = _threshold_axis()
    colour = alt.Color("of:N", scale=alt.Scale(domain=names), legend=LINES)
    dash = alt.StrokeDash("of:N", scale=alt.Scale(domain=names, range=DASHES), legend=LINES)
    y = alt.Y("value:Q", title="precision, recall", scale=alt.Scale(domain=[0, 1]), axis=SHARE)
    tooltip = [
        alt.Tooltip("of:N", title="figure"),
        alt.Tooltip("threshold:Q", format=".3f"),
        alt.Tooltip("value:Q", format=".1%"),
        alt.Tooltip("low:Q", title="95 % interval from", format=".1%"),
        alt.Tooltip("high:Q", title="to", format=".1%"),
        alt.Tooltip("flagged:Q", title="rows flagged", format=","),
    ]
    base = alt.Chart(frame)
    band = base.mark_area(opacity=0.18).encode(x=x, y=alt.Y("low:Q", title="precision, recall"), y2="high:Q")
    lines = base.mark_line(strokeWidth=2.5, point=alt.OverlayMarkDef(size=36, filled=True))
    layers = [
        band.encode(color=colour),
        lines.encode(x=x, y=y, color=colour, strokeDash=dash, tooltip=tooltip),
        _rule(threshold, "threshold"),
    ]
    return layered(*layers).properties(width="container", height=HEIGHT)


def costs(frame: pd.DataFrame, best: float) -> alt.LayerChart:
    """Draw the expected cost per 1,000 rows at each threshold; a vertical line marks the cheapest."""
    tooltip = [
        alt.Tooltip("threshold:Q", format=".3f"),
        alt.Tooltip("cost:Q", title="cost per 1,000", format=",.4~r"),
        alt.Tooltip("false_alarms:Q", title="false alarms per 1,000", format=",.1f"),
        alt.Tooltip("misses:Q", title="misses per 1,000", format=",.1f"),
    ]
    line = (
        alt.Chart(frame)
        .mark_line(strokeWidth=2.5, point=alt.OverlayMarkDef(size=36, filled=True))
        .encode(x=_threshold_axis(), y=alt.Y("cost:Q", title="cost per 1,000 rows"), tooltip=tooltip)
    )
    return layered(line, _rule(best, "threshold")).properties(width="container", height=HEIGHT)


def _threshold_axis() -> alt.X:
    return alt.X("threshold:Q", title="threshold", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=6))


def _rule(value: float, name: str) -> alt.Chart:
    chosen: alt.Chart = alt.Chart(pd.DataFrame({name: [value]})).mark_rule(color=RING, strokeWidth=2)
    return chosen.encode(x=alt.X(f"{name}:Q"))
