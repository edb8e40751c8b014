"""Parts that charts of several pages share. Colours are the theme's, in the order of each scale's domain.

Times are naive UTC, which Streamlit passes to the browser as times in the browser's own zone. So every time axis is
formatted as local time, and thus shows UTC in every zone.
"""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from mlbridge.monitor import ENOUGH_ROWS

GREY = "#767676"  # readable on a light and on a dark background
RING = "#D55E00"  # the colour of an alert, which can also be recognized by its shape, a ring
KINDS = ["realized", "estimated"]
DASHES = {"realized": [1, 0], "estimated": [5, 4]}
SEPARATORS = {"\N{LINE SEPARATOR}": "\N{SYMBOL FOR NEWLINE}", "\N{PARAGRAPH SEPARATOR}": "\N{PILCROW SIGN}"}
NARROW = 400  # pixels of a plot
MANY, CROWDED = 24, 120  # windows, beyond which marks are smaller, and smallest
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
# A day, and in January the year below it.
WITH_YEAR = "[timeFormat(datum.value, '%-d %b'), month(datum.value) == 0 ? timeFormat(datum.value, '%Y') : '']"


def layered(*charts: alt.Chart | alt.LayerChart) -> alt.LayerChart:
    """Draw charts over each other; none of them is made of facets."""
    found = alt.layer(*charts)
    if isinstance(found, alt.FacetChart):
        raise TypeError("charts of facets cannot be drawn over each other")
    return found


def time_axis(name: str, size: str, moments: pd.Series | None = None) -> alt.X:
    """Return an x axis of a column of times (UTC); if `moments` has one distinct value, the axis extends around it."""
    alone = None if moments is None or moments.nunique() != 1 else moments.iloc[0]
    return alt.X(
        f"{name}:T",
        title=None,
        scale=alt.Scale(padding=12) if alone is None else alt.Scale(domain=_around(alone, size)),
        axis=alt.Axis(
            labelExpr="timeFormat(datum.value, '%b %Y')" if size == "month" else WITH_YEAR,
            labelOverlap=True,
            grid=False,
            tickCount={"interval": "month", "step": 1} if size == "month" else 8,
        ),
    )


def _around(moment: pd.Timestamp, size: str) -> list[alt.DateTime]:
    ends = (moment - OFFSETS[size], moment + OFFSETS[size])
    return [alt.DateTime(year=each.year, month=each.month, date=each.day) for each in ends]


def extent(frame: pd.DataFrame) -> list[float]:
    """Return the range of the axis: values, and thresholds and intervals of windows with `ENOUGH_ROWS` rows."""
    sure = frame[frame["n"] >= ENOUGH_ROWS]
    figures = pd.concat([frame["value"], sure["low"], sure["high"], sure["threshold"]]).dropna()
    room = 0.06 * (figures.max() - figures.min()) or 0.1
    return [float(figures.min() - room), float(figures.max() + room)]


def by_number(windows: int, few: int, many: int, crowded: int) -> int:
    """Return the size of a mark for so many windows beside each other."""
    return few if windows <= MANY else many if windows <= CROWDED else crowded


def tips(base: alt.Chart, windows: int, **encoded: Any) -> list[alt.Chart]:
    """Return a layer of points that are there for their tips only, where windows are too crowded to see points."""
    return [base.mark_point(filled=True, size=60, opacity=0, clip=True).encode(**encoded)] if windows > CROWDED else []


def ringed(frame: pd.DataFrame, **where: alt.X | alt.Y | alt.YOffset) -> list[alt.Chart]:
    """Return a layer with a ring around each alert, or no layer if there are no alerts."""
    alerts = frame[frame["alert"].astype(bool)]
    size = 260 if "window" not in frame else by_number(frame["window"].nunique(), 260, 80, 20)
    ring = alt.Chart(alerts).mark_point(size=size, strokeWidth=2.5, color=RING, shape="circle", clip=True)
    return [] if alerts.empty else [ring.encode(**where)]


def drawable(part: Any) -> Any:
    """Return a chart, or a part of one, with a visible mark for each line and paragraph separator of a text.

    The order of a chart's names becomes an expression, and Vega takes such a character for the end of a line in it: the
    whole chart would stay blank.
    """
    if isinstance(part, str):
        return part.translate({ord(mark): shown for mark, shown in SEPARATORS.items()})
    if isinstance(part, pd.DataFrame):
        return part.replace(SEPARATORS, regex=True)
    if isinstance(part, list):
        return [drawable(each) for each in part]
    if isinstance(part, dict):
        return {key: drawable(value) for key, value in part.items()}
    if isinstance(part, alt.SchemaBase):
        copied = part.copy(deep=False)
        copied._kwds.update(drawable(dict(part._kwds)))
        return copied
    return part
