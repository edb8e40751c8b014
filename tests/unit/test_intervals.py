"""Intervals: against statsmodels' formulas by hand, and how often they hold the truth in simulated worlds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mlbridge.catalogue.metrics import metrics_for
from mlbridge.evaluation.blocks import Blocks
from mlbridge.evaluation.intervals import hall, interval, optimism, sampling_error, skewness, t_quantile, wilson
from mlbridge.evaluation.metrics import metric_value
from mlbridge.evaluation.sample import Sample, Weighted

NORMAL, EXPONENTIAL = 0, -1


def _interval(sample: Sample, metric: str, blocks: Blocks | None = None) -> tuple[float | None, float | None]:
    found = sampling_error(sample, metric, blocks or Blocks.rows(len(sample)))
    return interval(sample, metric, metric_value(Weighted(sample), metric), found)


@pytest.mark.parametrize(("right", "rows"), [(0, 48), (48, 48), (3, 20), (450, 500)])
def test_wilson_is_the_interval_of_scipy(right: int, rows: int) -> None:
    theirs = stats.binomtest(right, rows).proportion_ci(method="wilson")
    assert wilson(right / rows, rows, stats.norm.ppf(0.975)) == pytest.approx((theirs.low, theirs.high))


def test_the_quantile_is_that_of_student() -> None:
    assert t_quantile(9, 0.95) == pytest.approx(stats.t.ppf(0.975, 9))


def test_the_skewness_of_a_sum_is_that_of_scipy_over_the_root_of_the_number() -> None:
    parts = np.random.default_rng(0).standard_exponential(40)
    parts -= parts.mean()
    assert skewness(parts) == pytest.approx(stats.skew(parts, bias=False) / np.sqrt(40))
    assert skewness(np.array([1.0, -1.0])) == skewness(np.zeros(9)) == 0


@pytest.mark.parametrize("skewed", [0.0, 1e-9, 0.1, 0.5, 1.0])
def test_the_quantile_of_a_skewed_mean_is_what_halls_transformation_takes_to_students(skewed: float) -> None:
    below = -hall(2.1, skewed)
    assert below + skewed * below**2 / 3 + skewed**2 * below**3 / 27 + skewed / 6 == pytest.approx(-2.1)
    assert -below >= 2.1


def test_the_optimism_of_average_precision_is_what_scores_without_skill_gain() -> None:
    """Their precision is the share of positives at every rank; the estimate of it is taken at the truth."""
    rng, gained, estimates = np.random.default_rng(0), [], []
    for _ in range(400):
        score = rng.random(60)
        sample = Sample(rng.permutation(np.arange(60) < 6).astype(int), np.column_stack([1 - score, score]))
        found = metric_value(Weighted(sample), "average_precision")
        gained.append(found - 5 / 59)
        estimates.append(optimism(sample) * (1 - 5 / 59) / (1 - found))
    assert np.mean(estimates) == pytest.approx(np.mean(gained), abs=3 * np.std(np.subtract(estimates, gained)) / 20)
    assert optimism(Sample(np.zeros(3, int), np.tile([0.5, 0.5], (3, 1)))) == 0


def test_a_skewed_loss_has_the_end_of_halls_where_that_is_farther() -> None:
    losses = np.append(np.full(47, 0.1), 3.0)
    sample = Sample(losses, np.zeros(48))
    found = sampling_error(sample, "mae", Blocks.rows(48))
    low, high = interval(sample, "mae", losses.mean(), found)
    quantile = stats.t.ppf(0.975, 47)
    assert low == pytest.approx(losses.mean() * np.exp(-quantile * found.error / losses.mean()))
    assert high == pytest.approx(losses.mean() + hall(quantile, found.skewness) * found.error)
    squares = Sample(np.sqrt(losses), np.zeros(48))
    assert _interval(squares, "rmse") == pytest.approx(np.sqrt([low, high]))


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
    assert interval(negatives, "precision", 0.0, sampling_error(negatives, "precision", Blocks.rows(9))) == (None, None)


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
    for _ in range(200):
        sample = Sample(np.repeat(rng.normal(size=6), 100) + rng.normal(size=600) * 0.5, np.zeros(600))
        low, high = _interval(sample, "rmse", Blocks.of("day", days))
        assert low is not None
        assert high is not None
        held += low <= np.sqrt(1.25) <= high
    assert held >= 175  # 93 %, less three standard errors of the simulation
    assert _interval(sample, "rmse", Blocks.of("day", np.zeros(600))) == (None, None)
    known = sampling_error(sample, "rmse", Blocks.of("day", days), 4.0)
    assert known.error == pytest.approx(2 * sampling_error(sample, "rmse", Blocks.rows(600)).error)


def _world(rng: np.random.Generator, rows: int, share: float, day: float, blocks: int) -> tuple[Sample, Blocks]:
    """Draw outcomes that depend on a score and, by `day`, on the day.

    A `share` of `NORMAL` or `EXPONENTIAL` draws a regression with such errors.
    """
    days = np.arange(rows) * blocks // rows
    score, common = rng.normal(size=rows), rng.normal(size=blocks)[days] * day
    if share in (NORMAL, EXPONENTIAL):
        noise = rng.normal(size=rows) if share == NORMAL else rng.standard_exponential(rows) - 1
        return Sample(score + common + noise, score), Blocks.of("day", days)
    base = np.log(share / (1 - share)) + score
    chance = 1 / (1 + np.exp(-base))
    truth = (rng.random(rows) < 1 / (1 + np.exp(-base - common))).astype(int)
    return Sample(truth, np.column_stack([1 - chance, chance])), Blocks.of("day", days)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "share", "day", "blocks", "least"),
    [
        (60, 0.3, 0.0, 60, 0.95),
        (48, 0.05, 0.0, 48, 0.95),
        (300, 0.05, 0.0, 300, 0.95),
        (600, 0.3, 1.0, 30, 0.95),
        (300, NORMAL, 1.0, 15, 0.95),
        (200, EXPONENTIAL, 0.0, 200, 0.93),
    ],
)
def test_intervals_hold_the_truth_as_often_as_they_say(
    rows: int, share: float, day: float, blocks: int, least: float
) -> None:
    """95 % of the time, and with heavy tails 93, less three standard errors of the simulation."""
    rng = np.random.default_rng(12)
    metrics = metrics_for("regression" if share in (NORMAL, EXPONENTIAL) else "classification")
    large, _ = _world(rng, 400_000, share, day, 20_000)
    truth = {metric: metric_value(Weighted(large), metric) for metric in metrics}
    held, stated = dict.fromkeys(metrics, 0), dict.fromkeys(metrics, 0)
    for _ in range(250):
        sample, together = _world(rng, rows, share, day, blocks)
        for metric in metrics:
            if not np.isfinite(metric_value(Weighted(sample), metric)):
                continue
            low, high = _interval(sample, metric, together)
            if low is not None and high is not None:
                stated[metric] += 1
                held[metric] += low <= truth[metric] <= high
    shares = {metric: held[metric] / stated[metric] for metric in metrics if stated[metric] > 200}
    error = np.sqrt(0.05 * 0.95 / 250)
    assert shares
    assert all(share >= least - 3 * error for share in shares.values()), shares
