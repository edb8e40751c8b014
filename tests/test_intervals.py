"""Intervals: against statsmodels' formulas by hand, and how often they hold the truth in simulated worlds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mlbridge.blocks import Blocks
from mlbridge.intervals import interval, spread, student, wilson
from mlbridge.metrics import metrics_for, value
from mlbridge.sample import Sample, Weighted


def _interval(sample: Sample, metric: str, blocks: Blocks | None = None) -> tuple[float | None, float | None]:
    found = spread(sample, metric, blocks or Blocks.rows(len(sample)))
    return interval(sample, metric, value(Weighted(sample), metric), found)


@pytest.mark.parametrize(("right", "rows"), [(0, 48), (48, 48), (3, 20), (450, 500)])
def test_wilson_is_the_interval_of_scipy(right: int, rows: int) -> None:
    theirs = stats.binomtest(right, rows).proportion_ci(method="wilson")
    assert wilson(right / rows, rows, stats.norm.ppf(0.975)) == pytest.approx((theirs.low, theirs.high))


def test_the_quantile_is_that_of_student() -> None:
    assert student(9, 0.95) == pytest.approx(stats.t.ppf(0.975, 9))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_no_share_has_an_interval_of_width_zero(share: float) -> None:
    truth = np.arange(48) % 2
    right = truth if share else 1 - truth
    sample = Sample(truth, np.column_stack([1 - right, right]).astype(float))
    for metric in ("average_precision", "roc_auc", "accuracy", "precision", "recall", "f1"):
        low, high = _interval(sample, metric)
        assert low is not None
        assert high is not None
        assert 0 <= low < high <= 1
        assert high - low > 0.05
    low, high = _interval(sample, "accuracy")
    assert (low, high) == pytest.approx(wilson(share, 48, stats.t.ppf(0.975, 47)))


def test_where_nothing_can_be_stated_there_is_no_interval() -> None:
    exact = Sample(np.arange(9.0), np.arange(9.0))
    assert _interval(exact, "rmse") == (None, None)
    assert _interval(Sample(np.array([1.0]), np.array([2.0])), "rmse") == (None, None)
    negatives = Sample(np.zeros(9, int), np.tile([0.9, 0.1], (9, 1)))
    assert interval(negatives, "precision", 0.0, spread(negatives, "precision", Blocks.rows(9))) == (None, None)


def test_rows_of_one_day_count_as_one_where_they_are_equal() -> None:
    rng = np.random.default_rng(0)
    days = rng.normal(size=40)
    once, often = Sample(days, np.zeros(40)), Sample(np.repeat(days, 25), np.zeros(1000))
    blocks = Blocks.of("day", np.repeat(np.arange(40), 25))
    for metric in ("rmse", "mae"):
        assert _interval(often, metric, blocks) == pytest.approx(_interval(once, metric), rel=1e-9)
    assert _interval(often, "median_absolute_error", blocks) == pytest.approx(
        _interval(once, "median_absolute_error"), rel=0.1
    )


def test_few_days_speak_for_themselves_and_a_single_one_says_nothing() -> None:
    rng, held = np.random.default_rng(0), 0
    days = np.repeat(np.arange(6), 100)
    for _ in range(100):
        sample = Sample(np.repeat(rng.normal(size=6), 100) + rng.normal(size=600) * 0.5, np.zeros(600))
        low, high = _interval(sample, "rmse", Blocks.of("day", days))
        assert low is not None
        assert high is not None
        held += low <= np.sqrt(1.25) <= high
    assert held >= 82
    assert _interval(sample, "rmse", Blocks.of("day", np.zeros(600))) == (None, None)
    known = spread(sample, "rmse", Blocks.of("day", days), 4.0)
    assert known.error == pytest.approx(2 * spread(sample, "rmse", Blocks.rows(600)).error)


def _world(rng: np.random.Generator, rows: int, share: float, day: float, blocks: int) -> tuple[Sample, Blocks]:
    """Draw outcomes that depend on a score and, by `day`, on the day; `share` of 0 draws a regression."""
    days = np.arange(rows) * blocks // rows
    score, common = rng.normal(size=rows), rng.normal(size=blocks)[days] * day
    if share == 0:
        return Sample(score + common + rng.normal(size=rows), score), Blocks.of("day", days)
    base = np.log(share / (1 - share)) + score
    chance = 1 / (1 + np.exp(-base))
    truth = (rng.random(rows) < 1 / (1 + np.exp(-base - common))).astype(int)
    return Sample(truth, np.column_stack([1 - chance, chance])), Blocks.of("day", days)


@pytest.mark.parametrize(
    ("rows", "share", "day", "blocks", "least"),
    [(60, 0.3, 0.0, 60, 0.92), (300, 0.05, 0.0, 300, 0.92), (600, 0.3, 1.0, 30, 0.92), (300, 0.0, 1.0, 20, 0.90)],
)
def test_intervals_hold_the_truth_as_often_as_they_say(
    rows: int, share: float, day: float, blocks: int, least: float
) -> None:
    """95 % of the time, less three standard errors of the simulation and what few rows cost."""
    rng = np.random.default_rng(0)
    metrics = metrics_for("regression" if share == 0 else "classification")
    large, _ = _world(rng, 400_000, share, day, 20_000)
    truth = {metric: value(Weighted(large), metric) for metric in metrics}
    held, stated = dict.fromkeys(metrics, 0), dict.fromkeys(metrics, 0)
    for _ in range(250):
        sample, together = _world(rng, rows, share, day, blocks)
        for metric in metrics:
            if not np.isfinite(value(Weighted(sample), metric)):
                continue
            low, high = _interval(sample, metric, together)
            if low is not None and high is not None:
                stated[metric] += 1
                held[metric] += low <= truth[metric] <= high
    shares = {metric: held[metric] / stated[metric] for metric in metrics if stated[metric] > 200}
    error = np.sqrt(0.05 * 0.95 / 250)
    assert shares
    assert all(share >= least - 3 * error for share in shares.values()), shares
