"""Influence values against numerical derivatives, and DeLong's standard error against another implementation."""

from __future__ import annotations

import numpy as np
import pytest

from mlbridge.catalogue.metrics import METRICS, metrics_for
from mlbridge.evaluation.influence import influence
from mlbridge.evaluation.metrics import metric_value
from mlbridge.evaluation.sample import Sample, Weighted


def _drawn(task: str, classes: int) -> Sample:
    rng = np.random.default_rng(3)
    if task == "regression":
        truth = rng.normal(size=60)
        return Sample(truth, truth + rng.normal(size=60))
    scores = rng.dirichlet(np.ones(classes), 60).round(1)
    # Of many classes the last one never occurs.
    return Sample(rng.integers(0, max(2, classes - 1), 60), scores)


CASES = [
    *(("classification", classes, metric) for classes in (2, 4) for metric in metrics_for("classification")),
    *(("regression", 0, metric) for metric in metrics_for("regression") if metric != "median_absolute_error"),
]


@pytest.mark.parametrize(("task", "classes", "metric"), CASES)
def test_influence_values_are_derivatives_by_the_weight_of_a_row(task: str, classes: int, metric: str) -> None:
    sample, step = _drawn(task, classes), 1e-6

    def moved(row: int, by: float) -> float:
        weights = np.ones(len(sample))
        weights[row] += by
        return metric_value(Weighted(sample, weights), metric)

    slopes = [(moved(row, step) - moved(row, -step)) / (2 * step) * len(sample) for row in range(len(sample))]
    found = influence(sample, metric)
    assert found == pytest.approx(np.array(slopes), abs=1e-6)
    assert found.sum() == pytest.approx(0, abs=1e-9)


def test_the_median_absolute_error_has_about_the_spread_that_it_has_over_samples() -> None:
    rng = np.random.default_rng(1)
    samples = [Sample(errors, np.zeros(400)) for errors in rng.normal(size=(600, 400))]
    spread = np.std([metric_value(Weighted(sample), "median_absolute_error") for sample in samples])
    deviations = [np.sqrt((influence(sample, "median_absolute_error") ** 2).sum()) / 400 for sample in samples]
    assert np.mean(deviations) == pytest.approx(spread, rel=0.1)


def test_what_is_not_defined_moves_with_no_row() -> None:
    nothing = Sample(np.zeros(5, int), np.tile([0.5, 0.5], (5, 1)))
    assert not influence(nothing, "roc_auc").any()
    assert not influence(nothing, "average_precision").any()
    assert not influence(Sample(np.ones(5), np.zeros(5)), "r2").any()


def test_every_metric_has_influence_values() -> None:
    assert {metric for *_, metric in CASES} | {"median_absolute_error"} == set(METRICS)
