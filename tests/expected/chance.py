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
