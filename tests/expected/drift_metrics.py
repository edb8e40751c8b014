"""The drift metrics as `ml_drift` must compute and bound them: one entry each, by scipy where it has them.

Nothing here comes from the package.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from expected.chance import Level, chi_square_quantile, moments
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency


@dataclass(frozen=True)
class Binned:
    """The rows of one window, or of the training, by bin; `below` and `above` say how far values lie out of range."""

    n: np.ndarray[Any, Any]
    nulls: float = 0
    below: float = 0
    above: float = 0
    unseen: float = 0
    inside: np.ndarray[Any, Any] | None = None
    """Sums of the values by bin, those out of range on the edge; None where they are not known."""

    @property
    def used(self) -> float:
        return float(self.n.sum())

    @property
    def rows(self) -> float:
        return self.used + self.nulls


@dataclass(frozen=True)
class Compared:
    """A window and its baseline; `edges` and `std` are those of a number in training."""

    now: Binned
    before: Binned
    edges: np.ndarray[Any, Any] | None
    std: float

    @property
    def gaps(self) -> np.ndarray[Any, Any]:
        """Give the distances of the distribution functions at the upper ends of the bins."""
        return np.cumsum(self.now.n / self.now.used) - np.cumsum(self.before.n / self.before.used)


@dataclass(frozen=True)
class Sampled:
    """What chance is judged by: both samples, the level, and of the feature how often its rows count as one."""

    now: Binned
    before: Binned
    at: Level
    category: bool = False
    singles: int = 0
    design: float = 1.0
    partner_correlation: float | None = None

    @property
    def inverse_rows(self) -> float:
        return 1 / self.now.used + 1 / self.before.used


# --- values --------------------------------------------------------------------------------------------------


def psi(of: Compared) -> float:
    """A bin that one of the two leaves empty counts there as half a row; one that both leave empty is none."""
    there = of.now.n + of.before.n > 0
    p, q = (np.where(each.n > 0, each.n, 0.5)[there] / each.used for each in (of.now, of.before))
    return float(np.sum((p - q) * np.log(p / q)))


def wasserstein(of: Compared) -> float:
    """Give the area between the distribution functions: by the sums of the values, where they do not cross in a bin."""
    now, before, edges = of.now, of.before, of.edges
    assert edges is not None
    ends = np.append(0.0, of.gaps)
    ends[-1] = 0.0
    area = 0.0
    for index, (width, left, right) in enumerate(zip(np.diff(edges), ends[:-1], ends[1:], strict=True)):
        crosses = left * right < 0 and min(abs(left), abs(right)) > 1e-9
        found = []
        if now.inside is not None and before.inside is not None:
            mine, theirs = (
                (each.n[index] * edges[index + 1] - each.inside[index]) / each.used for each in (now, before)
            )
            found.append(abs(left * width + mine - theirs))
        elif not crosses:
            found.append(width * (abs(left) + abs(right)) / 2)
        if crosses:  # two triangles that meet where the functions cross
            crossing = left / (left - right)
            found.append(width * (abs(left) * crossing + abs(right) * (1 - crossing)) / 2)
        area += max(found)
    outside = [(each.below / each.used, each.above / each.used) for each in (now, before)]
    return (area + sum(abs(mine - theirs) for mine, theirs in zip(*outside, strict=True))) / of.std


def chi_square(of: Compared) -> float:
    table = np.array([of.now.n, of.before.n])
    table = table[:, table.sum(axis=0) > 0]
    return float(chi2_contingency(table, correction=False).statistic) if table.shape[1] > 1 else 0.0


def null_share(each: Binned) -> float:
    return each.nulls / each.rows


# --- what chance alone does not reach ------------------------------------------------------------------------


def hoeffding(of: Sampled, inverse_rows: float | None = None) -> float:
    return math.sqrt((inverse_rows or of.inverse_rows) * math.log(2 / of.at.alpha) / 2)


def lost_correlation(of: Sampled) -> float:
    rows, trained = of.now.n + of.before.n, of.partner_correlation
    assert trained is not None
    return hoeffding(of, of.inverse_rows / min(1, 2 * (1 - rows.max() / rows.sum()))) / trained


def unseen_by_chance(of: Sampled) -> float:
    """Give the share of unseen rows by chance; a category is new or it is not, whatever belongs together."""
    design = 1.0 if of.category else of.design
    missed = math.sqrt((1 + (of.singles if of.category else 2)) * design / of.before.used)
    return float((missed + of.at.k / 2 * math.sqrt(of.inverse_rows * design)) ** 2)


def by_moments(of: Sampled, name: str) -> float:
    return chi_square_quantile(*getattr(moments(of.now.n, of.before.n), name), of.at.k)


# --- the table -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measure:
    """One measure; `value` is None for those of association, which windows.py computes from the rows' partners."""

    value: Callable[[Compared], float] | None
    where: Callable[[str, str, str], bool] = lambda feature, kind, baseline: True
    """Which features, kinds and baselines have it."""
    has_value: Callable[[Compared], bool] = lambda of: of.now.used > 0 and of.before.used > 0
    noise: Callable[[Sampled], float] = hoeffding
    greatest: Callable[[Binned], float] = lambda before: math.inf
    usual_share: float = 0.9
    scale: Callable[[Binned, Binned], float] = lambda now, before: 1.0
    is_out_of_reach: Callable[[float, float, bool], bool] = lambda limit, greatest, fixed: limit >= greatest
    is_signed: bool = False
    is_squared: bool = False
    counts_nulls: bool = False
    needs_bins: bool = False
    forgives_few_values: bool = False

    def rows(self, each: Binned) -> float:
        return each.rows if self.counts_nulls else each.used

    def size(self, value: float) -> float:
        """Give what of a value is compared with its threshold."""
        return abs(value) if self.is_signed else value

    def bound(self, before: Binned) -> float:
        """Give the most that may be called usual."""
        return self.greatest(before) * self.usual_share

    def may_alarm(self, limit: float, before: Binned, *, fixed: bool, judged: bool, bins: int, few: bool) -> bool:
        """Say whether a value above `limit` is an alert: not with too few rows, nor where none can be above it."""
        reachable = not self.is_out_of_reach(limit, self.greatest(before), fixed)
        constant = bins <= 1 and self.needs_bins
        return judged and reachable and not constant and not (self.forgives_few_values and few and not fixed)


DRIFT_METRICS = {
    "psi": Measure(psi, noise=lambda of: of.inverse_rows * by_moments(of, "psi"), is_squared=True, needs_bins=True),
    "js_distance": Measure(
        lambda of: float(jensenshannon(of.now.n / of.now.used, of.before.n / of.before.used)),
        noise=lambda of: math.sqrt(of.inverse_rows * by_moments(of, "js") / 8),
        greatest=lambda before: math.sqrt(math.log(2)),
        needs_bins=True,
    ),
    "ks": Measure(
        lambda of: float(np.abs(of.gaps).max()),
        where=lambda feature, kind, baseline: kind == "numeric",
        greatest=lambda before: 1.0,
        needs_bins=True,
    ),
    "wasserstein": Measure(
        wasserstein,
        where=lambda feature, kind, baseline: kind == "numeric",
        noise=lambda of: of.at.k * math.sqrt(of.inverse_rows),
        forgives_few_values=True,
    ),
    "chi_square": Measure(
        chi_square,
        where=lambda feature, kind, baseline: kind == "category",
        scale=lambda now, before: now.used * before.used / (now.used + before.used),
        noise=lambda of: by_moments(of, "chi_square"),
        is_squared=True,
        needs_bins=True,
    ),
    "null_share_change": Measure(
        lambda of: null_share(of.now) - null_share(of.before),
        # an outcome that is not known yet says nothing of the world
        where=lambda feature, kind, baseline: feature not in ("ml_prediction", "ml_target"),
        has_value=lambda of: True,
        noise=lambda of: hoeffding(of, 1 / of.now.rows + 1 / of.before.rows),
        greatest=lambda before: max(null_share(before), 1 - null_share(before)),
        is_signed=True,
        counts_nulls=True,
    ),
    "unseen_share": Measure(
        lambda of: of.now.unseen / of.now.used,
        where=lambda feature, kind, baseline: baseline == "training",
        has_value=lambda of: of.now.used > 0,
        noise=unseen_by_chance,
        greatest=lambda before: 1.0,
        usual_share=0.5,
    ),
    "association_change": Measure(
        None,
        noise=lost_correlation,
        greatest=lambda before: 1.0,
        is_out_of_reach=lambda limit, greatest, fixed: limit >= greatest and not fixed,
    ),
    "association_shift": Measure(
        None, greatest=lambda before: 0.5, is_out_of_reach=lambda limit, greatest, fixed: False
    ),
}


def measured(feature: str, kind: str, baseline: str, of: Compared) -> dict[str, float | None]:
    """Give the drift metrics that a feature has; None where one has no value."""
    return {
        name: measure.value(of) if measure.has_value(of) else None
        for name, measure in DRIFT_METRICS.items()
        if measure.value is not None and measure.where(feature, kind, baseline)
    }
