"""What chance makes of the distances of two samples, as `ml_drift` bounds it: numpy instead of SQL."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

WINDOWS_OF_QUARTER = {"day": 92, "week": 13, "month": 3}


@dataclass(frozen=True)
class Level:
    """How rare an alert must be: the probability, and the standard deviations that stand for it."""

    alpha: float
    k: float


def level(checks: int, size: str) -> Level:
    """Give the level at which `checks` a window make half a false alert a quarter; three deviations at least."""
    alpha = 0.5 / (checks * WINDOWS_OF_QUARTER[size])
    return Level(min(alpha, math.exp(-4.5) / 2), max(normal_quantile(alpha), 3.0))


def normal_quantile(alpha: float) -> float:
    """Abramowitz and Stegun 26.2.23."""
    t = math.sqrt(-2 * math.log(alpha))
    return t - (2.515517 + 0.802853 * t + 0.010328 * t * t) / (1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t**3)


def student_quantile(k: float, freedom: float) -> float:
    """Wallace 1959."""
    return math.sqrt(freedom * math.expm1((k * (8 * freedom + 3) / (8 * freedom + 1)) ** 2 / freedom))


def chi_square_quantile(mean: float, variance: float, k: float) -> float:
    """Satterthwaite 1946, Wilson and Hilferty 1931."""
    if mean <= 0 or variance <= 0:
        return mean
    return float(mean * (1 - variance / (9 * mean**2) + k * math.sqrt(variance) / (3 * mean)) ** 3)


@dataclass(frozen=True)
class Moments:
    """Means and variances of the divergences and of chi-square under no drift; `pearson` is that of the two samples."""

    psi: tuple[float, float]
    js: tuple[float, float]
    chi_square: tuple[float, float]
    pearson: float


def bin_moments(expected: Any) -> tuple[Any, Any, Any, Any]:
    """Give mean and variance of what a bin adds to psi and to 8 times the Jensen-Shannon divergence, per 1/n + 1/m."""
    rare = np.where(expected < 0.5, 0.5 * np.log(0.5 / expected) + expected * np.log(1 / expected), 0.0)
    return (
        np.maximum(np.minimum(0.27 + 0.32 * expected, 1 + 0.6 / expected), rare),
        np.minimum(0.6 + 0.6 * expected, 2 + 6 / expected),
        np.minimum(5.5 * expected, 1 + 0.35 * np.minimum(1, 2 / expected)),
        np.minimum(7 * expected, 2 + 1.7 * np.minimum(1, 3 / expected)),
    )


def moments(n: Any, m: Any) -> Moments:
    """Give those of two samples by their counts."""
    filled = n + m > 0
    n, m = n[filled], m[filled]
    used, compared, rows = n.sum(), m.sum(), n + m
    total, bins = used + compared, len(n)
    weights = 1 - rows / total
    psi_mean, psi_variance, js_mean, js_variance = (
        float(weights @ each) for each in bin_moments(rows * min(used, compared) / total)
    )
    # Dawson 1954
    first = (total - 2) / (total - 1), (total / used + total / compared - 4) / (total - 2)
    second = (bins - 1) * (total - bins) / (total - 1), (total * (1 / rows).sum() - bins**2) / (total - 2)
    variance = 2 * total / (total - 3) * (first[0] - first[1]) * (second[0] - second[1])
    variance += total**2 / (total - 1) * first[1] * second[1]
    pearson = float(((n / used - m / compared) ** 2 / rows).sum() * used * compared)
    mean = (bins - 1) * total / (total - 1)
    return Moments((psi_mean, psi_variance), (js_mean, js_variance), (mean, variance), pearson)


def noise(
    metric: str, now: Any, before: Any, at: Level, *, category: bool = False, singles: int = 0, design: float = 1.0
) -> float:
    """Give what chance alone does not reach; `now` and `before` are `Binned`."""
    rows = (now.rows, before.rows) if metric == "null_share_change" else (now.used, before.used)
    u = sum(1 / each for each in rows)
    if metric in ("psi", "js_distance", "chi_square"):
        by_chance = moments(now.n, before.n)
        if metric == "chi_square":
            return chi_square_quantile(*by_chance.chi_square, at.k)
        if metric == "psi":
            return u * chi_square_quantile(*by_chance.psi, at.k)
        return math.sqrt(u * chi_square_quantile(*by_chance.js, at.k) / 8)
    if metric == "wasserstein":
        return at.k * math.sqrt(u)
    if metric == "association_change":
        rows_by_bin = now.n + before.n
        return math.sqrt(u * math.log(2 / at.alpha) / 2 / min(1, 2 * (1 - rows_by_bin.max() / rows_by_bin.sum())))
    if metric == "unseen_share":
        return unseen_by_chance(now, before, at, category, singles, design)
    return math.sqrt(u * math.log(2 / at.alpha) / 2)


def unseen_by_chance(now: Any, before: Any, at: Level, category: bool, singles: int, design: float) -> float:
    """Give the share of unseen rows by chance."""
    u = 1 / now.used + 1 / before.used
    missed = math.sqrt((1 + (singles if category else 2)) * design / before.used)
    return float((missed + at.k / 2 * math.sqrt(u * design)) ** 2)


def greatest(metric: str, before: Any) -> float | None:
    """Give the most that a metric can be."""
    nulls = before.nulls / before.rows
    return {
        "ks": 1.0, "js_distance": math.sqrt(math.log(2)), "null_share_change": max(nulls, 1 - nulls),
        "unseen_share": 1.0, "association_change": 1.0, "association_shift": 0.5,
    }.get(metric)  # fmt: skip


def bound(metric: str, before: Any) -> float:
    """Give the most that may be called usual."""
    most = greatest(metric, before)
    return math.inf if most is None else most * (0.5 if metric == "unseen_share" else 0.9)


def may_alarm(
    metric: str, limit: float, before: Any, *, fixed: bool, heard: bool, bins: int, few_values: bool = False
) -> bool:
    """Say whether a metric above `limit` is an alert: not with too few rows, nor where it cannot be above the limit."""
    most = greatest(metric, before)
    reachable = (
        most is None or limit < most or metric == "association_shift" or (metric == "association_change" and fixed)
    )
    constant = bins <= 1 and metric in ("psi", "js_distance", "ks", "chi_square")
    return heard and reachable and not constant and not (metric == "wasserstein" and few_values and not fixed)
