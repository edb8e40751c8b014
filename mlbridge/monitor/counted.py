"""What several pages need of the counts in `ml_distributions`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# Only windows of the spec's present size are counted; windows of an earlier size may remain in the table.
OF_PRESENT_SIZE = """
from ml_distributions as counted
inner join (
    select distinct window_size from ml_windows where model = :model and version = :version
) as sizes
    on counted.window_size = sizes.window_size
where
    counted.model = :model and counted.version = :version
"""
Z = 1.959963984540054  # the 97.5 % point of the normal distribution


def wilson(share: pd.Series, n: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return the 95 % interval of shares of `n` independent rows after Wilson (1927), lower and upper ends."""
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * (share * (1 - share) / n + Z**2 / (4 * n**2)) ** 0.5
    return middle - half, middle + half
