"""Recalibration: slope and intercept are those of scikit-learn and scipy, and their intervals hold what they say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import optimize, stats
from sklearn.linear_model import LogisticRegression

from mlbridge.evaluation.recalibration import recalibration
from mlbridge.evaluation.sample import Sample


def _logit(chance: np.ndarray) -> np.ndarray:
    return np.log(chance / (1 - chance))


def _binary(rows: int, seed: int, believed: Callable[[np.ndarray], np.ndarray] = lambda logit: logit) -> Sample:
    """Draw outcomes of true chances; what is believed of their logits need not be so."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-1, 1.2, rows)
    truth = (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(int)
    positive = 1 / (1 + np.exp(-believed(logit)))
    return Sample(truth, np.column_stack([1 - positive, positive]))


@pytest.mark.parametrize("seed", range(5))
def test_two_classes_agree_with_scikit_learn(seed: int) -> None:
    sample = _binary(300, seed, lambda logit: 0.5 * logit + 1)
    logit = _logit(sample.scores[:, 1])
    theirs = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000).fit(logit[:, None], sample.truth)
    found = recalibration(sample)
    assert found.slope is not None
    assert found.intercept is not None
    assert found.slope[0] == pytest.approx(theirs.coef_[0, 0], rel=1e-5)
    # With the slope held at one, as many positives are expected as there are.
    level = optimize.brentq(lambda a: (1 / (1 + np.exp(-logit - a))).sum() - sample.truth.sum(), -20, 20)
    assert found.intercept[0] == pytest.approx(level, rel=1e-9)


def test_a_regression_agrees_with_scipy() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=200)
    truth = 0.4 * scores + 3 + rng.normal(size=200)
    found = recalibration(Sample(truth, scores))
    assert found.slope is not None
    assert found.intercept is not None
    theirs = stats.linregress(scores, truth)
    assert found.slope[0] == pytest.approx(theirs.slope, rel=1e-12)
    assert (found.slope[2] - found.slope[1]) / 2 / 1.96 == pytest.approx(theirs.stderr, rel=0.2)
    assert found.intercept[0] == pytest.approx((truth - scores).mean(), rel=1e-12)


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_the_intervals_hold_their_level(kind: str) -> None:
    covered = np.zeros(2)
    for seed in range(600):
        rng = np.random.default_rng(seed)
        scores = rng.normal(size=300)
        unequal = rng.normal(size=300) * (0.5 + np.abs(scores))
        found = recalibration(_binary(300, seed) if kind == "binary" else Sample(scores + unequal, scores))
        assert found.slope is not None
        assert found.intercept is not None
        covered += [found.slope[1] <= 1 <= found.slope[2], found.intercept[1] <= 0 <= found.intercept[2]]
    assert (np.abs(covered / 600 - 0.95) <= 0.025).all(), covered / 600


def test_scores_that_are_too_extreme_too_cautious_and_too_low() -> None:
    extreme, cautious = (recalibration(_binary(4000, 1, lambda logit, k=k: logit * k)).slope for k in (2, 0.5))
    assert extreme is not None
    assert cautious is not None
    assert extreme[1] < 0.5 < extreme[2]
    assert cautious[1] < 2 < cautious[2]
    low = recalibration(_binary(4000, 1, lambda logit: logit - 1)).intercept
    assert low is not None
    assert low[1] < 1 < low[2]


def test_many_classes_are_about_the_predicted_one() -> None:
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(3), 5000)
    truth = (scores.cumsum(axis=1) < rng.random((5000, 1))).sum(axis=1).clip(0, 2)
    found = recalibration(Sample(truth, scores))
    assert found.slope is not None
    assert found.slope[1] < 1 < found.slope[2]


def test_rows_that_belong_together_make_it_wider() -> None:
    sample = _binary(300, 0)
    one, four = (recalibration(sample, effect).slope for effect in (1.0, 4.0))
    assert one is not None
    assert four is not None
    assert four[2] - four[1] == pytest.approx(2 * (one[2] - one[1]))


@pytest.mark.parametrize(
    ("truth", "scores", "known"),
    [
        ([0, 0, 0, 0], [0.1, 0.2, 0.3, 0.4], (False, False)),  # one class
        ([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5], (False, True)),  # nothing to go by
        ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], (False, True)),  # parted without an error: no finite slope
        ([0, 0, 1, 1], [0.0, 0.0, 1.0, 1.0], (False, True)),
        ([1, 0, 1, 0], [0.0, 0.0, 1.0, 1.0], (True, True)),  # certain, and wrong half of the time
        ([], [], (False, False)),
    ],
)
def test_what_the_rows_do_not_tell_is_none(truth: list[int], scores: list[float], known: tuple[bool, bool]) -> None:
    positive = np.array(scores, dtype=float)
    found = recalibration(Sample(np.array(truth, dtype=int), np.column_stack([1 - positive, positive])))
    assert (found.slope is not None, found.intercept is not None) == known


def test_a_regression_without_spread_has_no_slope() -> None:
    assert recalibration(Sample(np.arange(5.0), np.ones(5))).slope is None
    assert recalibration(Sample(np.arange(2.0), np.arange(2.0))).intercept is None
