"""Histograms computed in the warehouse. The range of their bins is found by counting too, so no rows are fetched."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlbridge.monitor.source import State

if TYPE_CHECKING:
    import pandas as pd

# The range is searched in this many fine bins, at most so many times; this share of the rows at each end is left out.
FINE, PASSES = 2_000, 4
TAIL = 0.005
# Larger values are left out, because a difference of two of them may overflow; so are NaN and infinity.
LARGEST = "1e300"
KNOWN = """
model = :model and (:version is null or version = :version)
and (:since is null or time >= :since) and (:until is null or time < :until)
"""


@dataclass(frozen=True)
class Grid:
    """Bins of equal width on multiples of it; the width is numerator / denominator, so that their edges are exact.

    Bin `index` reaches from `edge(index)`, inclusive, to `edge(index + 1)`, exclusive.
    """

    numerator: float
    denominator: float
    first: float
    bins: int

    def edge(self, index: float) -> float:
        """Return the lower end of a bin."""
        return (self.first + index) * self.numerator / self.denominator

    @property
    def parameters(self) -> dict[str, float]:
        """Return the parameters of the SQL of `bin_of`."""
        return {
            "numerator": self.numerator,
            "denominator": self.denominator,
            "first": self.first,
            "last": float(self.bins - 1),
        }


def bin_of(value: str) -> str:
    """Return the SQL of a value's bin number, from 0 on, with the parameters of a Grid; outer bins include the rest.

    The guess by multiplication may be wrong by one at an edge because of rounding, so the edges are compared as well.
    """
    guess = f"floor({value} * :denominator / :numerator)"
    above = f"{value} >= ({guess} + 1) * :numerator / :denominator"
    below = f"{value} < {guess} * :numerator / :denominator"
    index = f"{guess} + case when {above} then 1 when {below} then -1 else 0 end - :first"
    return f"cast(greatest(0, least(:last, {index})) as integer)"


def _limits(value: str) -> str:
    return (
        f"select min({value}) as least, max({value}) as most from ml_predictions "  # noqa: S608 - of constants
        f"where abs({value}) <= {LARGEST} and {KNOWN}"
    )


def _counts(value: str, bin_expression: str) -> str:
    return (
        f"select {bin_expression} as bin, count(*) as n from ml_predictions "  # noqa: S608
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


def central_range(state: State, what: str, **where: object) -> tuple[float, float] | None:
    """Return the range of the values without the lowest and the highest 0.5 %; None without rows.

    Values are counted in 2,000 bins of equal width. If the range found covers few of these bins, it is counted again
    within it, so that a single outlier does not put all other values into one bin. It is exact to one such bin.
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
    """Return bins over a range whose width is 1, 2 or 5 times 10^n: at most `bins` + 1, at least two fifths of `bins`.

    There are fewer if the range is so narrow that the edges could not be distinguished.
    """
    largest = max(abs(low), abs(high))
    rough = max((high - low) / bins, largest * 1e-9, 1e-100) if high > low else max(largest, 1.0) / bins
    power = math.floor(math.log10(rough))
    step = next(step for step in (1, 2, 5, 10) if step * 10.0**power >= rough * (1 - 1e-9))
    numerator, denominator = step * 10.0 ** max(power, 0), 10.0 ** max(-power, 0)
    first = math.floor(low / numerator * denominator)
    # If rounding puts the upper end just above an edge, it belongs to the last bin and gets no bin of its own.
    number = min(math.floor(high / numerator * denominator) - first + 1, bins + 1)
    return Grid(numerator, denominator, float(first), number)


def histogram(state: State, what: str, bins: int, **where: object) -> pd.DataFrame:
    """Count `residual` (actual minus prediction) or another of VALUES in about `bins` bins.

    One row per bin, none left out: `lower` (inclusive), `upper` (exclusive), `n`. The outer bins hold also what lies
    beyond them, about 0.5 % of the rows each. No rows: an empty frame.
    """
    import pandas as pd

    found = central_range(state, what, **where)
    if found is None:
        return no_bins()
    grid = nice(*found, bins)
    counted = state.ask(COUNTS[what], **grid.parameters, **where).set_index("bin")["n"]
    edges = [grid.edge(index) for index in range(grid.bins + 1)]
    n = counted.reindex(range(grid.bins), fill_value=0).to_numpy()
    return pd.DataFrame({"lower": edges[:-1], "upper": edges[1:], "n": n})


def no_bins() -> pd.DataFrame:
    """Return what `histogram` does without rows."""
    import pandas as pd

    return pd.DataFrame({"lower": [], "upper": [], "n": []}, dtype="float64").astype({"n": "int64"})
