"""Decay: how a metric scatters where rows belong together, and what is taken for a loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlbridge.engines.warehouse import column
from mlbridge.evaluation.blocks import Blocks
from mlbridge.evaluation.intervals import SamplingError, sampling_error
from mlbridge.evaluation.metrics import measure
from mlbridge.evaluation.sample import Sample
from mlbridge.scoring.champion import Decay, RecordedMetric, _half_width
from mlbridge.split.holdout import block_column


def world(rng: np.random.Generator, days: int, rows: int, shock: float, slope: float = 1.0) -> tuple[Sample, Any]:
    """Draw rows of days that each have luck of their own, which the scores do not know."""
    day = np.repeat(np.arange(days), rows)
    x = rng.normal(size=len(day))
    chance = 1 / (1 + np.exp(1 - slope * x - shock * rng.normal(size=days)[day]))
    score = 1 / (1 + np.exp(1 - x))
    truth = (rng.random(len(day)) < chance).astype(int)
    return Sample(truth, np.column_stack([1 - score, score])), day


def by_day(sample: Sample, days: Any, metric: str) -> SamplingError:
    """Give how far chance moves a metric, by day."""
    return sampling_error(sample, metric, Blocks.of("day", days))


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss", "average_precision"])
def test_the_error_is_how_the_metric_scatters_between_worlds(metric: str) -> None:
    rng = np.random.default_rng(1)
    drawn = [measure(world(rng, 30, 20, 0.8)[0])[metric] for _ in range(150)]
    found = [by_day(*world(rng, 30, 20, 0.8), metric).error for _ in range(15)]
    assert float(np.mean(found)) == pytest.approx(float(np.std(drawn)), rel=0.2)


def beyond(rng: np.random.Generator, slope: float, worlds: int) -> float:
    """Give how often a champion counts as decayed whose scores are worth so much of what they were."""
    hits = 0
    for _ in range(worlds):
        then, days = world(rng, 30, 20, 0.5)
        now, newer = world(rng, 30, 20, 0.5, slope)
        before, after = (measure(sample)["roc_auc"] or 0.0 for sample in (then, now))
        stated = RecordedMetric(before, by_day(then, days, "roc_auc").error, len(then), "day")
        wide = _half_width(stated, by_day(now, newer, "roc_auc"), len(now))
        lost = before - after
        hits += Decay(len(now), lost, low=lost - wide, high=lost + wide).is_beyond(0.02)
    return hits / worlds


def test_a_world_that_stands_still_does_not_train_and_one_that_is_lost_does() -> None:
    """The interval is two-sided, so 2.5 % are expected; five standard errors of the simulation more are not."""
    rng = np.random.default_rng(3)
    assert beyond(rng, 1.0, 120) <= 0.05
    assert beyond(rng, 0.2, 30) > 0.9


@pytest.mark.parametrize(
    ("unit", "sql"),
    [
        ("row", "0"),
        ("hour", "CAST(DATE_TRUNC('HOUR', \"at\") AS TIMESTAMP)"),
        ("gone", "CAST(DATE_TRUNC('DAY', \"at\") AS TIMESTAMP)"),
        ("shop", 'CAST("shop" AS TEXT)'),
        ("entity", 'CAST("a" AS TEXT) || \'|\' || CAST("b" AS TEXT)'),
    ],
)
def test_the_block_of_a_row(unit: str, sql: str) -> None:
    found = block_column(unit, column("at"), ("a", "b"), ("at", "a", "b", "shop"))
    assert found.sql(dialect="duckdb") == sql
