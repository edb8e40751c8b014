"""Strength: how much skill there is, in words; and what is odd is said where chance does not explain it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from mlbridge.evaluation.evaluate import metric_rows
from mlbridge.evaluation.sample import Sample
from mlbridge.evaluation.strength import ranking, strength


def _record(split: str, metric: str, value: float | None, low: Any, high: Any, baseline: Any) -> dict[str, Any]:
    figures = {"value": value, "low": low, "high": high, "baseline": baseline, "baseline_name": "class rates"}
    return {"split": split, "slice": "all", "metric": metric, "n": 100, **figures}


def _two(metric: str, test: tuple[Any, ...], validation: tuple[Any, ...] | None = None) -> list[dict[str, Any]]:
    return [_record("validation", metric, *(validation or test)), _record("test", metric, *test)]


CALIBRATED = Sample(np.arange(1000) % 10 < 3, np.tile([0.7, 0.3], (1000, 1)))
NUMBERS = Sample(np.arange(100.0), np.arange(100.0))
AUC = _two("roc_auc", (0.57, 0.53, 0.61, 0.5))


@pytest.mark.parametrize(
    ("metric", "figures", "skill", "word"),
    [
        ("average_precision", (0.23, 0.21, 0.25, 0.2), (0.0375, 0.0125, 0.0625), "weak"),
        ("average_precision", (0.36, 0.34, 0.38, 0.2), (0.2, 0.175, 0.225), "moderate"),
        ("average_precision", (0.6, 0.5, 0.7, 0.2), (0.5, 0.375, 0.625), "strong"),
        ("brier", (0.15, 0.1, 0.2, 0.2), (0.25, 0.0, 0.5), "moderate"),
        ("rmse", (38.0, 37.0, 39.0, 40.0), (0.05, 0.025, 0.075), "weak"),
        ("rmse", (36.0, 35.0, 37.0, 40.0), (0.1, 0.075, 0.125), "moderate"),
        ("median_absolute_error", (14.66, 14.0, 15.0, 14.0), (-0.047142857, -1 / 14, 0.0), "none"),
        ("r2", (-0.27, -0.4, -0.1, 0.2), (-0.5875, -0.75, -0.375), "none"),
        ("roc_auc", (0.69, 0.6, 0.8, 0.5), (0.38, 0.2, 0.6), "weak"),
        ("roc_auc", (0.75, 0.7, 0.8, 0.5), (0.5, 0.4, 0.6), "moderate"),
        ("roc_auc", (0.85, 0.8, 0.9, 0.5), (0.7, 0.6, 0.8), "strong"),
    ],
)
def test_skill_is_the_share_of_the_way_to_perfect(
    metric: str, figures: tuple[float, ...], skill: tuple[float, ...], word: str
) -> None:
    sample = NUMBERS if metric in ("rmse", "r2", "median_absolute_error") else CALIBRATED
    found = strength(metric, _two(metric, figures), sample).document
    assert (found["skill"], found["skill_low"], found["skill_high"]) == pytest.approx(skill)
    assert (found["word"], found["baseline_name"]) == (word, "class rates")


def test_the_sentence() -> None:
    found = strength("average_precision", [*_two("average_precision", (0.224, 0.21, 0.24, 0.2)), *AUC], CALIBRATED)
    assert found.sentence == "weak: 3 % of the way from baseline to perfect, ROC AUC 0.57 (0.53 to 0.61)"
    assert json.loads(json.dumps(found.document, allow_nan=False)) == found.document
    assert (found.document["auc"], found.document["auc_low"], found.document["auc_high"]) == (0.57, 0.53, 0.61)
    assert strength("rmse", _two("rmse", (36.0, 35.0, 37.0, 40.0)), NUMBERS).sentence == (
        "moderate: 10 % of the way from baseline to perfect"
    )


def test_a_figure_without_an_interval_or_without_a_baseline() -> None:
    found = strength("rmse", _two("rmse", (36.0, None, None, 40.0)), NUMBERS)
    assert (found.document["skill"], found.document["skill_low"], found.document["fell"]) == (0.1, None, False)
    assert strength("rmse", _two("rmse", (None, None, None, None)), NUMBERS).sentence == "strength unknown"
    assert strength("rmse", _two("rmse", (1.0, 0.5, 1.5, 0.0)), NUMBERS).document["word"] is None


def test_a_fall_is_said_where_chance_does_not_explain_it() -> None:
    rows = _two("average_precision", (0.30, 0.27, 0.33, 0.2), (0.40, 0.37, 0.43, 0.2))
    found = strength("average_precision", rows, CALIBRATED)
    assert found.document["fell"]
    assert (
        "it fell from 25 % of that way on validation to 12 % on test, which chance does not explain" in found.sentence
    )
    wide = _two("average_precision", (0.30, 0.2, 0.4, 0.2), (0.40, 0.3, 0.5, 0.2))
    assert not strength("average_precision", wide, CALIBRATED).document["fell"]
    # Fewer positives lower the average precision of the same skill.
    rarer = _two("average_precision", (0.20, 0.18, 0.22, 0.1), (0.28, 0.26, 0.30, 0.19))
    assert not strength("average_precision", rarer, CALIBRATED).document["fell"]


def test_a_ranking_below_chance_is_said_of_every_candidate() -> None:
    turned = _two("roc_auc", (0.40, 0.36, 0.44, 0.5))
    found = strength("roc_auc", turned, CALIBRATED)
    assert found.document["below_chance"]
    assert "below chance, as if its sign were inverted: ROC AUC 0.40 (0.36 to 0.44)" in found.sentence
    assert "ROC AUC 0.40 (0.36 to 0.44)" in str(ranking(turned))
    assert ranking(AUC) is None
    assert ranking(_two("roc_auc", (0.45, 0.38, 0.52, 0.5))) is None
    assert ranking(_two("rmse", (1.0, 0.5, 1.5, 1.0))) is None
    against = Sample(np.arange(100.0), -np.arange(100.0) + np.arange(100) % 3)
    numbers = strength("rmse", _two("rmse", (60.0, 55.0, 65.0, 30.0)), against)
    assert numbers.document["below_chance"]
    assert "slope of truth on prediction -1.00" in numbers.sentence


def _drawn(rows: int, seed: int, steeper: float = 1.0, lower: float = 0.0) -> Sample:
    rng = np.random.default_rng(seed)
    logit = rng.normal(-1.5, 1, rows)
    truth = (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(int)
    positive = 1 / (1 + np.exp(-steeper * logit + lower))
    return Sample(truth, np.column_stack([1 - positive, positive]))


def test_probabilities_that_are_off_are_said_with_slope_and_intercept() -> None:
    extreme = strength("roc_auc", AUC, _drawn(3000, 0, steeper=2.5))
    assert "its probabilities are too extreme (calibration slope 0.38 (0.34 to 0.42), 1 is right)" in extreme.sentence
    low = strength("roc_auc", AUC, _drawn(3000, 0, lower=1.0))
    assert "its probabilities are too low on average (calibration intercept 1.0" in low.sentence
    right = strength("roc_auc", AUC, _drawn(3000, 0))
    assert (right.document["off"], "calibration" in right.sentence) == (False, False)
    truth = np.random.default_rng(0).normal(size=500)
    numbers = strength("rmse", _two("rmse", (1.0, 0.9, 1.1, 2.0)), Sample(truth, 4 * truth + 1))
    assert "its predictions are too extreme (calibration slope 0.25" in numbers.sentence
    assert "too high on average (calibration intercept -0.92 (-1.19 to -0.65), 0 is right)" in numbers.sentence


def test_figures_of_any_size_can_be_read() -> None:
    truth = np.random.default_rng(0).normal(size=500)
    for unit in (1e-4, 1e6):
        sample = Sample(unit * truth, unit * truth + 0.9 * unit + 0.5 * unit * np.sin(np.arange(500)))
        found = strength("rmse", _two("rmse", (1.0, 0.9, 1.1, 2.0)), sample)
        edges = [f"{found.document[f'calibration_intercept{end}']:.3g}" for end in ("", "_low", "_high")]
        assert len(set(edges)) == 3
        assert "(calibration intercept {} ({} to {}), 0 is right)".format(*edges) in found.sentence


# --- worlds in which nothing is odd -----------------------------------------------------------------------


def test_chance_alone_is_seldom_called_a_fall_or_below_chance_or_off() -> None:
    """Of models whose scores are independent of the outcome, and of calibrated ones that stay as they are."""
    below = fell = off = 0
    worlds = 60
    for seed in range(worlds):
        rng = np.random.default_rng([1, seed])
        nothing = Sample((rng.random(200) < 0.3).astype(int), np.column_stack([1 - (u := rng.random(200)), u]))
        below += ranking(metric_rows("test", nothing, {"class rates": _constant(nothing)}, {})) is not None
        samples = {part: _drawn(400, 1000 * index + seed) for index, part in enumerate(("validation", "test"))}
        records = [
            record
            for part, sample in samples.items()
            for record in metric_rows(part, sample, {"class rates": _constant(sample)}, {})
        ]
        found = strength("brier", records, samples["test"]).document
        fell += found["fell"]
        off += found["off"]
    assert below <= 5
    assert fell <= 5
    assert off <= 7


def _constant(sample: Sample) -> Sample:
    rate = sample.truth.mean()
    return Sample(sample.truth, np.tile([1 - rate, rate], (len(sample), 1)))
