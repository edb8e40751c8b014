"""What charts of several pages are made of. The colours are the theme's, in the order of each domain.

Moments are naive UTC, and Streamlit hands them to a browser as moments of the browser's own time zone: so every time
axis is one of local time, and shows UTC wherever its reader is.
"""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from mlbridge.monitor import ENOUGH_ROWS

GREY = "#767676"  # reads on light and on dark ground
RING = "#D55E00"  # the colour of an alert; its shape, a ring, is what tells it
KINDS = ["realized", "estimated"]
DASHES = {"realized": [1, 0], "estimated": [5, 4]}
NARROW = 400  # pixels of a plot
MANY = 24  # windows, beyond which marks are smaller
GRADIENT = alt.ExprRef("min(190, 0.8 * width)")  # how long a legend of shades is
TOP = alt.Legend(
    orient="top", title=None, labelLimit=260, symbolOpacity=1, columns=alt.ExprRef(f"width < {NARROW} ? 1 : 4")
)
SHAPES = alt.Legend(
    orient="bottom", title=None, columns=4, symbolOpacity=1, symbolFillColor=GREY, symbolStrokeColor=GREY
)
OFFSETS = {
    "day": pd.DateOffset(days=1),
    "week": pd.DateOffset(days=7),
    "month": pd.DateOffset(months=1),
}
AXIS_FORMAT = {"day": "%-d %b", "week": "%-d %b", "month": "%b %Y"}


def time_axis(name: str, size: str, moments: pd.Series[Any] | None = None) -> alt.X:
    """Lay a column of moments along the x axis; of a single one of `moments` its neighbours are shown as well."""
    alone = moments is not None and moments.nunique() == 1
    return alt.X(
        f"{name}:T",
        title=None,
        scale=alt.Scale(domain=_around(moments.iloc[0], size)) if alone else alt.Scale(padding=12),
        axis=alt.Axis(
            format=AXIS_FORMAT[size],
            labelOverlap=True,
            grid=False,
            tickCount={"interval": "month", "step": 1} if size == "month" else 8,
        ),
    )


def _around(moment: pd.Timestamp, size: str) -> list[alt.DateTime]:
    ends = (moment - OFFSETS[size], moment + OFFSETS[size])
    return [alt.DateTime(year=each.year, month=each.month, date=each.day) for each in ends]


def extent(frame: pd.DataFrame) -> list[float]:
    """Give the range of values, thresholds and intervals, but for windows of so few rows that theirs hide the rest."""
    sure = frame[frame["n"] >= ENOUGH_ROWS]
    figures = pd.concat([frame["value"], sure["low"], sure["high"], sure["threshold"]]).dropna()
    room = 0.06 * (figures.max() - figures.min()) or 0.1
    return [float(figures.min() - room), float(figures.max() + room)]


def ringed(frame: pd.DataFrame, **where: alt.X | alt.Y | alt.YOffset) -> list[alt.Chart]:
    """Put a ring around what is an alert; no layer where nothing is."""
    alerts = frame[frame["alert"].astype(bool)]
    size = 260 if "window" not in frame or frame["window"].nunique() <= MANY else 80
    ring = alt.Chart(alerts).mark_point(size=size, strokeWidth=2.5, color=RING, shape="circle", clip=True)
    return [] if alerts.empty else [ring.encode(**where)]
