"""What charts of several pages are made of. The colours are the theme's, in the order of each domain.

Moments are naive UTC, and Streamlit hands them to a browser as moments of the browser's own time zone: so every time
axis is one of local time, and shows UTC wherever its reader is.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from mlbridge.monitor import ENOUGH_ROWS

GREY = "#8a8a8a"  # reads on light and on dark ground
RING = "#D55E00"  # the colour of an alert; its shape, a ring, is what tells it
KINDS = ["realized", "estimated"]
DASHES = {"realized": [1, 0], "estimated": [5, 4]}
NARROW = 400  # pixels of a plot
TOP = alt.Legend(
    orient="top", title=None, labelLimit=260, symbolOpacity=1, columns=alt.ExprRef(f"width < {NARROW} ? 1 : 4")
)
SHAPES = alt.Legend(
    orient="bottom", title=None, columns=4, symbolOpacity=1, symbolFillColor=GREY, symbolStrokeColor=GREY
)
AXIS_FORMAT = {"day": "%-d %b", "week": "%-d %b", "month": "%b %Y"}


def time_axis(name: str, size: str, title: str | None = None) -> alt.X:
    """Lay a column of moments along the x axis."""
    return alt.X(
        f"{name}:T",
        title=title,
        scale=alt.Scale(padding=12),
        axis=alt.Axis(
            format=AXIS_FORMAT[size],
            labelOverlap=True,
            grid=False,
            tickCount={"interval": "month", "step": 1} if size == "month" else 8,
        ),
    )


def extent(frame: pd.DataFrame) -> list[float]:
    """Give the range of values, thresholds and intervals, but for windows of so few rows that theirs hide the rest."""
    sure = frame[frame["n"] >= ENOUGH_ROWS]
    figures = pd.concat([frame["value"], sure["low"], sure["high"], sure["threshold"]]).dropna()
    room = 0.06 * (figures.max() - figures.min()) or 0.1
    return [float(figures.min() - room), float(figures.max() + room)]


def ringed(frame: pd.DataFrame, **where: alt.X | alt.Y | alt.YOffset) -> list[alt.Chart]:
    """Put a ring around what is an alert; no layer where nothing is."""
    alerts = frame[frame["alert"].astype(bool)]
    ring = alt.Chart(alerts).mark_point(size=260, strokeWidth=2.5, color=RING, shape="circle", clip=True)
    return [] if alerts.empty else [ring.encode(**where)]
