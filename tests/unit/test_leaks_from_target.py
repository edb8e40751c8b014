"""Columns that are made from the target, and groups that are apart by nature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlbridge.leaks.catalogue import CHECKS, NONE, WITHHOLD
from mlbridge.leaks.from_target import undetermined_by_class, undetermined_by_number

TARGETS: dict[str, Callable[[np.random.Generator, int], Any]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "log-normal": lambda rng, n: np.exp(1.5 * rng.normal(size=n)),
    "whole seconds": lambda rng, n: np.round(1800 * rng.standard_exponential(n) - 600),
    "often zero": lambda rng, n: np.where(rng.random(n) < 0.4, 0, rng.standard_exponential(n)),
}
MADE: dict[str, Callable[[Any], Any]] = {
    "threshold": lambda y: y > np.quantile(y, 0.8),
    "classes of values": lambda y: np.array(list("abcd"))[np.digitize(y, np.quantile(y, [0.5, 0.7, 0.9]))],
    "distance": lambda y: np.abs(y - np.quantile(y, 0.6)),
    "capped": lambda y: np.minimum(y, np.quantile(y, 0.9)),
}
NOISE: dict[str, Callable[[np.random.Generator, int], Any]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "exponential": lambda rng, n: rng.standard_exponential(n),
    "uniform": lambda rng, n: rng.uniform(-1.7, 1.7, n),
    "Student's t": lambda rng, n: rng.standard_t(3, n),
}


def level(left: float) -> str:
    return CHECKS["same_as_target"].level(left, regression=True)


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("target", TARGETS)
def test_what_is_made_from_a_number_is_found(target: str, made: str) -> None:
    found = []
    for seed in range(20):
        y = TARGETS[target](np.random.default_rng(seed), 3000)
        found.append(level(undetermined_by_number(pd.Series(MADE[made](y)), y)))
    assert found.count(WITHHOLD) >= 18


@pytest.mark.parametrize("apart", [3.0, 5.0, 8.0, 30.0])
@pytest.mark.parametrize("noise", NOISE)
def test_groups_that_are_apart_by_nature_are_not(noise: str, apart: float) -> None:
    for seed in range(20):
        rng = np.random.default_rng([seed, int(apart)])
        n, groups = int(rng.choice([200, 1000, 5000])), int(rng.integers(2, 5))
        group = rng.choice(groups, size=n, p=rng.dirichlet(np.full(groups, 2.0)))
        y = apart * group + NOISE[noise](rng, n)
        assert level(undetermined_by_number(pd.Series(group), y)) == NONE


def test_no_strong_feature_is_made_from_the_target() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=3000)
        y = np.sqrt(0.97) * x + np.sqrt(0.03) * rng.normal(size=3000)
        for values in (x, x > 0.8, np.digitize(x, [-1, 0, 1]), rng.permutation(x), np.full(3000, 1.0)):
            assert level(undetermined_by_number(pd.Series(values), y)) == NONE
        # Within equal targets a column is not in order.
        assert level(undetermined_by_number(pd.Series(rng.random(3000) < 0.3), rng.integers(0, 5, 3000) * 1.0)) == NONE


def test_a_class_determines_what_is_made_from_it() -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 4, 1000)
    assert undetermined_by_class(pd.Series(target >= 2), target) == 0
    assert undetermined_by_class(pd.Series(np.where(rng.random(1000) < 0.1, target < 2, target >= 2)), target) > 0.1
    assert undetermined_by_class(pd.Series(rng.random(1000)), target) == 1
    assert undetermined_by_class(pd.Series(target >= 9), target) == 1
