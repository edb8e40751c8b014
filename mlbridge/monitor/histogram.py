"""Histograms that the warehouse counts: where their bins lie is found by counting as well, so no row travels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mlbridge.monitor.source import State

if TYPE_CHECKING:
    import pandas as pd

FINE = 2_000
TAIL = 0.005
KNOWN = """
model = :model and (:version is null or version = :version)
and (:since is null or time >= :since) and (:until is null or time < :until)
"""


def _limits(value: str) -> str:
    return f"select min({value}) as least, max({value}) as most from ml_predictions where {KNOWN}"  # noqa: S608


def _counts(value: str) -> str:
    step = f"cast(greatest(0, least(:bins - 1, floor(({value} - :start) / :width))) as integer)"
    return (
        f"select {step} as bin, count(*) as n from ml_predictions "  # noqa: S608 - of the constants below
        f"where {value} is not null and {KNOWN} group by 1 order by 1"
    )


VALUES = {
    "prediction": "prediction_value",
    "actual": "actual_value",
    "residual": "(actual_value - prediction_value)",
}
LIMITS = {name: _limits(value) for name, value in VALUES.items()}
COUNTS = {name: _counts(value) for name, value in VALUES.items()}


def span(state: State, what: str, **where: Any) -> tuple[float, float] | None:
    """Find between which values all but 0.5 % at each end lie; None without rows.

    Counted in 2,000 bins of equal width, again within the range found while that is only a few of them, so a single
    value far out does not make the rest one bin. Exact to a bin.
    """
    limits = state.ask(LIMITS[what], **where).iloc[0]
    if limits.isna().any():
        return None
    low, high = float(limits["least"]), float(limits["most"])
    for _ in range(4):
        if high <= low:
            break
        width = (high - low) / FINE
        found = state.ask(COUNTS[what], bins=FINE, start=low, width=width, **where)
        share = found["n"].cumsum() / found["n"].sum()
        first = int(found["bin"][share > TAIL].iloc[0])
        last = int(found["bin"][share >= 1 - TAIL].iloc[0])
        low, high = low + first * width, low + (last + 1) * width
        if last - first > FINE / 20:
            break
    return low, high


def nice(low: float, high: float, bins: int) -> tuple[float, float, int]:
    """Give start, width and number of about `bins` bins that cover a range, at 1, 2 or 5 times a power of ten."""
    rough = (high - low) / bins if high > low else max(abs(low), 1.0) / bins
    power = 10.0 ** math.floor(math.log10(rough))
    width = next(step * power for step in (1, 2, 5, 10) if step * power >= rough * (1 - 1e-9))
    first = math.floor(low / width)
    return first * width, width, max(1, math.floor(high / width) - first + 1)


def histogram(state: State, what: str, bins: int, **where: Any) -> pd.DataFrame:
    """Count `prediction`, `actual` or `residual` (actual minus prediction) in about `bins` bins.

    One row per bin, none left out: `lower` (inclusive), `upper` (exclusive), `n`. The outer bins hold also what lies
    beyond them, 0.5 % of the rows at most each. No rows: an empty frame.
    """
    import pandas as pd

    found = span(state, what, **where)
    if found is None:
        return pd.DataFrame({"lower": [], "upper": [], "n": []})
    start, width, number = nice(*found, bins)
    counted = state.ask(COUNTS[what], bins=number, start=start, width=width, **where).set_index("bin")["n"]
    places = pd.RangeIndex(number)
    lower = [round(start + place * width, 12) for place in places]
    upper = [round(start + (place + 1) * width, 12) for place in places]
    return pd.DataFrame({"lower": lower, "upper": upper, "n": counted.reindex(places, fill_value=0).to_numpy()})
