"""Means and medians of many ranges of one series, each computed in a few vectorised steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlbridge.typing import Floats, Integers


@dataclass(frozen=True)
class Ranges:
    """Ranges of a series, each from `first` (inclusive) to `last` (exclusive); a range may be empty."""

    first: Integers
    last: Integers

    @property
    def counts(self) -> Integers:
        """Count the values in each."""
        return self.last - self.first

    def means(self, values: Floats) -> Floats:
        """Return the mean of the values in each range; NaN for an empty one."""
        middle = float(values.mean()) if len(values) else 0.0
        so_far = np.append(0.0, np.cumsum(values - middle))
        sums, nothing = so_far[self.last] - so_far[self.first], np.full(len(self.first), np.nan)
        return np.asarray(middle + np.divide(sums, self.counts, out=nothing, where=self.counts > 0))

    def medians(self, values: Floats) -> Floats:
        """Return the median of each range (the mean of the middle two for an even number); NaN for an empty one.

        By a wavelet matrix (Claude, Navarro and Ordóñez, The Wavelet Matrix, Information Systems 47, 2015): the ranks
        of the values bit by bit from the highest, and at each bit how many zeros came before, so that the k-th smallest
        ranks of all ranges are found together, in as many steps as the ranks have bits.
        """
        filled = self.counts > 0
        kept = Ranges(self.first[filled], self.last[filled])
        answer = np.full(len(filled), np.nan)
        if not filled.any():
            return answer
        distinct, ranks = np.unique(values, return_inverse=True)
        lower, upper = (distinct[kept._kth(ranks, k)] for k in ((kept.counts - 1) // 2, kept.counts // 2))
        with np.errstate(over="ignore"):
            total = lower + upper
        # Halved after the sum, so that the smallest doubles keep their last bit; before it, where the sum is too large.
        answer[filled] = np.where(np.isfinite(total), total / 2, lower / 2 + upper / 2)
        return answer

    def _kth(self, ranks: Integers, k: Integers) -> Integers:
        """Return the k-th smallest rank, from 0, of each range; none is empty."""
        first, last, k = self.first.copy(), self.last.copy(), k.copy()
        found = np.zeros(len(k), dtype=np.int64)
        for bit in range(max(int(ranks.max()).bit_length(), 1) - 1, -1, -1):
            ones = (ranks >> bit) & 1
            zeros = np.append(0, np.cumsum(1 - ones))
            before, until = zeros[first], zeros[last]
            upper = k >= until - before
            found |= upper.astype(np.int64) << bit
            k = np.where(upper, k - (until - before), k)
            first = np.where(upper, zeros[-1] + first - before, before)
            last = np.where(upper, zeros[-1] + last - until, until)
            ranks = np.concatenate([ranks[ones == 0], ranks[ones == 1]])
        return found
