"""A course as a small picture in a cell of a table: a point for each value, straight lines between them."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

WIDTH, HEIGHT, MARGIN = 150, 28, 4
COLOUR = "#3B8BC2"  # readable on a light and on a dark background
MOST_POINTS = 30  # beyond that many only the last one is drawn


def sparkline(values: Sequence[float]) -> str | None:
    """Return an SVG as a data URI; None without values. The lowest value lies at the bottom, the highest on top."""
    if not values:
        return None
    low, high = min(values), max(values)
    step = (WIDTH - 2 * MARGIN) / max(len(values) - 1, 1)
    scale = (HEIGHT - 2 * MARGIN) / (high - low) if high > low else 0.0
    middle = 0.0 if high > low else HEIGHT / 2 - MARGIN
    at = [
        (MARGIN + index * step, HEIGHT - MARGIN - middle - (value - low) * scale) for index, value in enumerate(values)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
    points = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2"/>' for x, y in (at if len(at) <= MOST_POINTS else at[-1:])
    )
    drawn = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f'<polyline points="{line}" fill="none" stroke="{COLOUR}" stroke-width="1.5"/>'
        f'<g fill="{COLOUR}">{points}</g></svg>'
    )
    return f"data:image/svg+xml;utf8,{quote(drawn)}"
