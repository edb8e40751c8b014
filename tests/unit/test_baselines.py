"""Baselines: each constant is the best one for its metric, and a recent outcome is one that was known then."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor

from mlbridge.catalogue.metrics import METRICS, metrics_for
from mlbridge.evaluation.baselines import (
    Outcomes,
    baselines,
    competing,
    shortest_half,
    strongest,
    strongest_by_metric,
)
from mlbridge.evaluation.metrics import measure
from mlbridge.evaluation.sample import Sample

START = np.datetime64("2024-01-01", "us")
DAY = np.timedelta64(1, "D")


def _moments(days: Any) -> np.ndarray[Any, Any]:
    return START + (np.asarray(days, dtype=float) * 86_400e6).astype("timedelta64[us]")


def _outcomes(truth: Any, classes: int, sizes: tuple[int, int, int], **options: Any) -> Outcomes:
    """Put outcomes one a day, known half a day later, into words of these sizes."""
    truth = np.asarray(truth)
    ends = np.cumsum(sizes)
    days = np.asarray(options.pop("days", np.arange(len(truth))), dtype=float)
    known = np.asarray(options.pop("known", days + 0.5), dtype=float)
    bounds = {
        part: slice(int(end - size), int(end))
        for part, end, size in zip(("train", "validation", "test"), ends, sizes, strict=True)
    }
    options = {"categories": {}, "by_time": True, **options}
    return Outcomes(truth, classes, bounds, _moments(days), _moments(known), **options)


def _drawn(classes: int, rows: int = 400, seed: int = 0) -> Outcomes:
    rng = np.random.default_rng(seed)
    truth = rng.choice(classes, rows, p=np.arange(1, classes + 1) / sum(range(1, classes + 1))) if classes else None
    numbers = np.exp(rng.normal(size=rows)).round(1)
    days = np.sort(rng.integers(0, 300, rows)) + 0.25 * rng.integers(0, 3, rows)
    return _outcomes(
        numbers if truth is None else truth, classes, (rows - 200, 100, 100), days=np.sort(days),
        known=np.sort(days) + rng.exponential(5, rows), categories={"carrier": rng.integers(0, 5, rows)},
    )  # fmt: skip


# --- constants --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "classes", "dummy"),
    [
        ("mean", 0, DummyRegressor(strategy="mean")),
        ("median", 0, DummyRegressor(strategy="median")),
        ("class rates", 2, DummyClassifier(strategy="prior")),
        ("class rates", 4, DummyClassifier(strategy="prior")),
        ("majority class", 2, DummyClassifier(strategy="most_frequent")),
        ("majority class", 4, DummyClassifier(strategy="most_frequent")),
        ("always positive", 2, DummyClassifier(strategy="constant", constant=1)),
    ],
)
def test_constants_are_the_dummies_of_scikit_learn(name: str, classes: int, dummy: Any) -> None:
    rows = _drawn(classes)
    known = rows.truth[rows.bounds["train"]]
    dummy.fit(np.zeros((len(known), 1)), known)
    for part, sample in zip(("validation", "test"), baselines(rows)[name], strict=True):
        nothing = np.zeros((len(sample), 1))
        scores = dummy.predict_proba(nothing) if classes else dummy.predict(nothing)
        assert np.allclose(sample.scores, scores, rtol=1e-12, atol=0)
        assert np.array_equal(sample.truth, rows.truth[rows.bounds[part]])


@pytest.mark.parametrize("metric", metrics_for("regression"))
def test_no_constant_does_better_on_the_training_rows(metric: str) -> None:
    known = np.exp(np.random.default_rng(3).normal(size=301))
    rows = _outcomes(np.tile(known, 3), 0, (301, 301, 301), by_time=False)
    samples = {name: each.test for name, each in baselines(rows).items()}
    name = strongest_by_metric([metric], samples)[metric]
    best = measure(samples[name])[metric]
    assert best is not None
    for constant in np.linspace(known.min(), known.max(), 2000):
        other = measure(Sample(known, np.full(len(known), constant)))[metric]
        assert other is not None
        assert best >= other - 1e-12 if metric == "r2" else best <= other + 1e-12


@pytest.mark.parametrize("metric", metrics_for("classification"))
@pytest.mark.parametrize("classes", [2, 3])
def test_no_constant_class_does_better_on_the_training_rows(metric: str, classes: int) -> None:
    known = np.repeat(np.arange(classes), [60, 30, 10][:classes])
    rows = _outcomes(np.tile(known, 3), classes, (len(known),) * 3, by_time=False)
    samples = {name: each.test for name, each in baselines(rows).items()}
    name = strongest_by_metric([metric], samples)[metric]
    best = measure(samples[name])[metric]
    assert best is not None
    if metric == "recall" and classes == 2:
        assert name == "class rates"  # a constant that flags every row would have a recall of 1
        return
    greater = metric not in ("log_loss", "brier")
    for constant in np.eye(classes):
        other = measure(Sample(known, np.tile(constant, (len(known), 1))))[metric]
        assert other is None or (best >= other - 1e-12 if greater else best <= other + 1e-12)


def test_the_precision_and_f1_of_flagging_every_row() -> None:
    rows = _outcomes([0] * 90 + [1] * 10, 2, (60, 20, 20))
    found = measure(baselines(rows)["always positive"].test)
    assert found["precision"] == pytest.approx(0.5)
    assert found["f1"] == pytest.approx(2 * 0.5 / 1.5)


@pytest.mark.parametrize(
    ("values", "middle"),
    [([7], 7), ([1, 2], 1.5), ([0, 1, 2, 50, 100], 1), ([0, 40, 80, 81, 83, 200, 300], 61.5), ([5, 5, 5, 9], 5)],
)
def test_the_shortest_half_by_hand(values: list[float], middle: float) -> None:
    # Of seven, four values: 40 to 83 is the shortest stretch.
    assert shortest_half(np.array(values, dtype=float)) == middle


def test_every_metric_has_a_baseline_of_its_own() -> None:
    for classes in (0, 2, 3):
        task = "classification" if classes else "regression"
        names = baselines(_drawn(classes))
        for metric in metrics_for(task):
            assert len(competing(metric, names)) < len(names)
            assert set(METRICS[metric].baselines) & set(names)


# --- recent outcomes --------------------------------------------------------------------------------------


def _by_hand(rows: Outcomes, name: str, index: int, column: str | None) -> Any:
    """Find the figure of one row by looking at every other."""
    known = (rows.label_times <= rows.times[index]) & (rows.label_times < rows.label_times[index])
    recent = known & (rows.label_times > rows.times[index] - 30 * DAY)
    kinds = [recent, known]
    if column is not None:
        same = rows.categories[column] == rows.categories[column][index]
        kinds = [recent & same, known & same, *kinds]
    shares = np.bincount(rows.truth[rows.bounds["train"]].astype(int), minlength=max(rows.classes, 1))
    for chosen in kinds:
        values = rows.truth[chosen]
        if not len(values):
            continue
        if name == "recent mean":
            return values.mean()
        if name == "recent median":
            return np.median(values)
        counted = np.bincount(values, minlength=rows.classes)
        return (counted + shares / shares.sum()) / (len(values) + 1)
    return rows.constants[{"recent mean": "mean", "recent median": "median", "recent rate": "class rates"}[name]]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("classes", [0, 2, 3])
def test_recent_outcomes_are_those_known_then(classes: int, seed: int) -> None:
    from mlbridge.evaluation.baselines import _recent

    rows = _drawn(classes, seed=seed)
    for name in ("recent rate",) if classes else ("recent mean", "recent median"):
        for column in (None, "carrier"):
            found = _recent(rows, name, None if column is None else rows.categories[column])
            for part, sample in zip(("validation", "test"), found, strict=True):
                for index in range(rows.bounds[part].start, rows.bounds[part].stop):
                    score = sample.scores[index - rows.bounds[part].start]
                    assert np.allclose(score, _by_hand(rows, name, index, column), rtol=1e-9)


def test_an_outcome_known_at_its_own_moment_is_not_told_in_advance() -> None:
    rows = _outcomes(np.arange(60.0), 0, (20, 20, 20), known=np.arange(60))
    assert baselines(rows)["recent mean"].test.scores[0] == np.arange(11, 40).mean()


def test_long_ago_counts_where_nothing_is_recent_and_the_constant_where_nothing_is_known() -> None:
    days = [*range(20), *range(100, 120), *range(200, 220)]
    truth = np.arange(60.0)
    old = baselines(_outcomes(truth, 0, (20, 20, 20), days=days, known=[*range(40), *range(300, 320)]))
    assert old["recent mean"].test.scores[0] == truth[:40].mean()
    never = baselines(_outcomes(truth, 0, (20, 20, 20), days=days, known=[500] * 60))
    assert set(never["recent mean"].test.scores) == {truth[:20].mean()}
    assert set(never["recent median"].test.scores) == {np.median(truth[:20])}


def test_a_category_stands_beside_where_it_helps_on_the_validation_rows_alone() -> None:
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 3, 600)
    level = np.array([0.0, 10.0, 20.0])[codes]
    options = {"categories": {"carrier": codes, "noise": rng.integers(0, 3, 600)}}
    found = baselines(_outcomes(level + rng.normal(size=600), 0, (300, 150, 150), **options))
    assert [name for name in found if " by " in name] == ["recent mean by carrier", "recent median by carrier"]
    # The same once more, but a test in which the category says nothing: it was chosen before.
    scrambled = np.concatenate([level[:450], rng.permutation(level[450:])])
    again = baselines(_outcomes(scrambled + rng.normal(size=600), 0, (300, 150, 150), **options))
    assert "recent mean by carrier" in again
    assert strongest("rmse", {name: again[name].test for name in competing("rmse", again)}) != "recent mean by carrier"


def test_a_category_never_seen_has_the_recent_outcomes_of_all() -> None:
    codes = np.array([0, 1] * 25 + [2] * 10)
    truth = np.where(codes == 0, 0.0, np.where(codes == 1, 10.0, 5.0)) + np.arange(60) % 3 / 10
    rows = _outcomes(truth, 0, (30, 20, 10), categories={"carrier": codes})
    found = baselines(rows)
    assert found["recent mean by carrier"].test.scores[0] == found["recent mean"].test.scores[0]
    assert found["recent mean by carrier"].test.scores[1] == truth[50]


def test_a_rate_is_never_certain() -> None:
    rows = _outcomes([0, 1] * 20 + [0] * 60, 2, (40, 30, 30))
    scores = baselines(rows)["recent rate"].test.scores
    assert 0 < scores[:, 1].min() < 0.02
    assert scores.sum(axis=1) == pytest.approx(1)


def test_without_an_order_in_time_there_is_no_recent_outcome() -> None:
    assert not [
        name for name in baselines(_outcomes(np.arange(60.0), 0, (20, 20, 20), by_time=False)) if "recent" in name
    ]


# --- the strongest ----------------------------------------------------------------------------------------


def test_the_strongest_is_by_the_metric_and_undefined_is_the_weakest() -> None:
    truth = np.array([0.0, 0.0, 9.0])
    samples = {"mean": Sample(truth, np.full(3, 3.0)), "median": Sample(truth, np.zeros(3))}
    assert (strongest("mae", samples), strongest("rmse", samples)) == ("median", "mean")
    constant = {"mean": Sample(np.ones(3), np.ones(3)), "recent mean": Sample(np.ones(3), np.ones(3))}
    assert strongest("r2", constant) == "mean"


@pytest.mark.slow
def test_a_hundred_thousand_rows_of_many_categories_take_a_second_at_most() -> None:
    rng = np.random.default_rng(0)
    size = 100_000
    days = np.sort(rng.uniform(0, 365, size))
    rows = _outcomes(rng.normal(size=size).round(2), 0, (70_000, 15_000, 15_000), days=days, known=days + 0.2,
                     categories={"dest": rng.integers(0, 105, size)})  # fmt: skip
    started = time.process_time()
    baselines(rows)
    assert time.process_time() - started < 3
