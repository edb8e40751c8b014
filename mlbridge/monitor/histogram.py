"""Histograms that the warehouse counts: where their bins lie is found by counting as well, so no row travels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlbridge.monitor.source import State

if TYPE_CHECKING:
    import pandas as pd

FINE, PASSES = 2_000, 4
TAIL = 0.005
# Beyond this a difference of two numbers may not be one; NaN and infinity are beyond it too.
LARGEST = "1e300"
KNOWN = """
model = :model and (:version is null or version = :version)
and (:since is null or time >= :since) and (:until is null or time < :until)
"""


@dataclass(frozen=True)
class Grid:
    """Bins of equal width on multiples of it; the width is numerator / denominator, so that their edges are exact.

    Bin `place` reaches from `edge(place)`, inclusive, to `edge(place + 1)`.
    """

    numerator: float
    denominator: float
    first: float
    bins: int

    def edge(self, place: float) -> float:
        """Give the lower end of a bin."""
        return (self.first + place) * self.numerator / self.denominator

    @property
    def parameters(self) -> dict[str, float]:
        """Give what `bin_of` asks for."""
        return {
            "numerator": self.numerator,
            "denominator": self.denominator,
            "first": self.first,
            "last": float(self.bins - 1),
        }


def bin_of(value: str) -> str:
    """Write the bin of a value, from 0 on, by the parameters of a Grid; the outer ones take what is beyond.

    A product is not exact: the guess may be one off at an edge, which is what is compared then.
    """
    guess = f"floor({value} * :denominator / :numerator)"
    above = f"{value} >= ({guess} + 1) * :numerator / :denominator"
    below = f"{value} < {guess} * :numerator / :denominator"
    place = f"{guess} + case when {above} then 1 when {below} then -1 else 0 end - :first"
    return f"cast(greatest(0, least(:last, {place})) as integer)"


def _limits(value: str) -> str:
    return (
        f"select min({value}) as least, max({value}) as most from ml_predictions "  # noqa: S608 - of constants
        f"where abs({value}) <= {LARGEST} and {KNOWN}"
    )


def _counts(value: str, place: str) -> str:
    return (
        f"select {place} as bin, count(*) as n from ml_predictions "  # noqa: S608
        f"where abs({value}) <= {LARGEST} and {KNOWN} group by 1 order by 1"
    )


def _fine(value: str) -> str:
    return _counts(value, f"cast(greatest(0, least(:bins - 1, floor(({value} - :start) / :width))) as integer)")


VALUES = {
    "prediction": "prediction_value",
    "labelled": "case when actual_value is not null then prediction_value end",
    "actual": "actual_value",
    "residual": "(actual_value - prediction_value)",
}
LIMITS = {name: _limits(value) for name, value in VALUES.items()}
FINE_COUNTS = {name: _fine(value) for name, value in VALUES.items()}
COUNTS = {name: _counts(value, bin_of(value)) for name, value in VALUES.items()}


def span(state: State, what: str, **where: Any) -> tuple[float, float] | None:
    """Find between which values all but 0.5 % at each end lie; None without rows.

    Counted in 2,000 bins of equal width, again within the range found while that is only a few of them, so a single
    value far out does not make the rest one bin. Exact to a bin.
    """
    limits = state.ask(LIMITS[what], **where).iloc[0]
    if limits.isna().any():
        return None
    low, high = float(limits["least"]), float(limits["most"])
    for _ in range(PASSES):
        width = (high - low) / FINE
        if width <= 0 or math.isinf(1 / width):
            break
        found = state.ask(FINE_COUNTS[what], bins=FINE, start=low, width=width, **where)
        share = found["n"].cumsum() / found["n"].sum()
        first = int(found["bin"][share > TAIL].iloc[0])
        last = int(found["bin"][share >= 1 - TAIL].iloc[0])
        low, high = low + first * width, low + (last + 1) * width
        if last - first > FINE / 20:
            break
    return low, high


def nice(low: float, high: float, bins: int) -> Grid:
    """Lay bins over a range, at most one more than `bins` and at least two fifths, their width 1, 2 or 5 times 10^n.

    There are fewer where a range is too narrow for its numbers to be told apart.
    """
    largest = max(abs(low), abs(high))
    rough = max((high - low) / bins, largest * 1e-9, 1e-100) if high > low else max(largest, 1.0) / bins
    power = math.floor(math.log10(rough))
    step = next(step for step in (1, 2, 5, 10) if step * 10.0**power >= rough * (1 - 1e-9))
    numerator, denominator = step * 10.0 ** max(power, 0), 10.0 ** max(-power, 0)
    first = math.floor(low / numerator * denominator)
    # Rounding may put an end that lies on an edge into the bin before: it is an outer one's without a bin of its own.
    number = min(math.floor(high / numerator * denominator) - first + 1, bins + 1)
    return Grid(numerator, denominator, float(first), number)


def histogram(state: State, what: str, bins: int, **where: Any) -> pd.DataFrame:
    """Count `residual` (actual minus prediction) or another of VALUES in about `bins` bins.

    One row per bin, none left out: `lower` (inclusive), `upper` (exclusive), `n`. The outer bins hold also what lies
    beyond them, about 0.5 % of the rows each. No rows: an empty frame.
    """
    import pandas as pd

    found = span(state, what, **where)
    if found is None:
        return no_bins()
    grid = nice(*found, bins)
    counted = state.ask(COUNTS[what], **grid.parameters, **where).set_index("bin")["n"]
    edges = [grid.edge(place) for place in range(grid.bins + 1)]
    n = counted.reindex(range(grid.bins), fill_value=0).to_numpy()
    return pd.DataFrame({"lower": edges[:-1], "upper": edges[1:], "n": n})


def no_bins() -> pd.DataFrame:
    """Give what `histogram` does without rows."""
    import pandas as pd

    return pd.DataFrame({"lower": [], "upper": [], "n": []}, dtype="float64").astype({"n": "int64"})
